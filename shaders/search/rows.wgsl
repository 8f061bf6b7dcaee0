// Rows on a device, and what a metric needs of a row.
// A tile has up to TILE rows of one region. planes [tiles, PLANES, TILE] words, so that neighbouring threads
// read neighbouring words. The planes of a tile are the words of the rows' codes, then a plane each for what
// `terms` needs of a row, then the rows' numbers where rows are sorted by region.
// gives: TILE, CODE_WORDS, REGIONS, PLANES, tiles, planes, Terms, terms

const TILE: u32 = 1024u;

override CODE_WORDS: u32;
override REGIONS: u32;
// 0 inner product, 1 cosine, 2 L2.
override METRIC: u32;
// What the scale of a row is: 0 nothing, 1 its norm, 2 what its codes are multiplied by.
override SCALES: u32;
// Planes of a tile.
override PLANES: u32;

@group(0) @binding(2) var<storage, read> planes: array<u32>;
// The number of a tile's rows in 24 bits, above its region in 8 bits.
@group(0) @binding(1) var<storage, read> tiles: array<u32>;

struct Terms {
    latents: f32,
    center: f32,
    offset: f32,
}

// `Metric::terms` in src/search/metric.rs. `at` is the row's word in the first plane behind its codes.
fn terms(at: u32) -> Terms {
    var number = 0.0;
    var scale = 1.0;
    var plane = at;
    if METRIC != 0u {
        number = bitcast<f32>(planes[plane]);
        plane += TILE;
    }
    if SCALES != 0u {
        scale = bitcast<f32>(planes[plane]);
    }
    let norm = select(1.0, scale, SCALES == 1u);
    let code_scale = select(1.0, scale, SCALES == 2u);
    if METRIC == 1u {
        if number > 0.0 {
            return Terms(number * code_scale, 1.0, 0.0);
        }
        return Terms(-number * code_scale, -number, 0.0);
    }
    return Terms(norm * code_scale, norm, -number);
}
