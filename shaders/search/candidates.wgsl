// What a metric needs of a row, and the lists that rows are added to.
// A tile has up to TILE rows of one region. planes [tiles, PLANES, TILE] words, so that neighbouring threads
// read neighbouring words. The planes of a tile are the words of the rows' codes, then a plane each for what
// `terms` needs of a row, then the rows' numbers where rows are sorted by region.
// needs: round, lists, ordered
// gives: TILE, CODE_WORDS, REGIONS, PLANES, tiles, planes, Terms, terms, row_number, offer, is_in_round

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
@group(0) @binding(7) var<storage, read_write> candidates: array<vec2<u32>>;
// A bit for each row of the batch, read if `round.is_filtered`.
@group(0) @binding(8) var<storage, read> allowed: array<u32>;

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

fn is_allowed(row: u32) -> bool {
    return round.is_filtered == 0u || (allowed[row / 32u] >> (row % 32u) & 1u) == 1u;
}

// Adds a row to the list of a query if its key reaches the query's threshold. The caller has loaded the
// threshold, which a dispatch does not change: loaded here it would cost a wait for memory per key.
fn offer(query: u32, threshold: u32, key: f32, row: u32) {
    let bits = ordered(key);
    if bits >= threshold && is_allowed(row) {
        let number = round.first_row + row;
        if bits == threshold && number > lists[query].last_row {
            return;
        }
        let at = atomicAdd(&lists[query].count, 1u);
        if at < round.capacity {
            candidates[query * round.capacity + at] = vec2<u32>(bits, number);
        }
    }
}

// The number of a row in its batch. `at` is its word in the first plane of its tile.
fn row_number(tile: u32, lane: u32, at: u32) -> u32 {
    if REGIONS > 1u {
        return planes[at + (PLANES - 1u) * TILE];
    }
    return round.shard_row + tile * TILE + lane;
}

// Whether a round scores a tile that it visits: every so many were scored in an earlier round.
fn is_in_round(visited: u32) -> bool {
    return round.skipped == 0u || (round.phase + visited) % round.skipped != 0u;
}
