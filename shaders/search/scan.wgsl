// Scores rows of codes with queries, and lists the rows that reach a query's threshold:
//     key = a (q D . z) + b (q . c) + o                   see src/search/mod.rs
//     if key >= threshold: list[count++] = (key, row)
// A tile has up to TILE rows of one region. planes [tiles, PLANES, TILE] words, so that neighbouring threads
// read neighbouring words. The planes of a tile are the words of the rows' codes, then a plane each for what
// `terms` needs of a row, then the rows' numbers where rows are sorted by region.
// queries [groups of queries, REGIONS, VALUES4 * QUERIES + 1]: what latents are multiplied by, then the
// products of the queries with the centroid.
// A workgroup takes every so many tiles. A thread has ROWS rows of a tile, so that it waits for memory for
// all of them at once, and loads queries once for all of them.
// needs: TILE, ROWS, WORKGROUP, round, lists, ordered, CODE_WORDS, planes, queries, VALUES4, prepare, products
// needs: QUERIES, of_query

override REGIONS: u32;
// 0 inner product, 1 cosine, 2 L2.
override METRIC: u32;
// What the scale of a row is: 0 nothing, 1 its norm, 2 what its codes are multiplied by.
override SCALES: u32;
// Planes of a tile.
override PLANES: u32;

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

fn offer(query: u32, key: f32, row: u32) {
    let bits = ordered(key);
    if bits >= lists[query].threshold && is_allowed(row) {
        let at = atomicAdd(&lists[query].count, 1u);
        if at < round.capacity {
            candidates[query * round.capacity + at] = vec2<u32>(bits, round.first_row + row);
        }
    }
}

fn score(tile: u32, group: u32, thread: u32) {
    let region = tiles[tile] >> 24u;
    let rows = tiles[tile] & 0xffffffu;
    if thread >= rows {
        return;
    }
    let at = tile * PLANES * TILE + thread;
    let values = (group * REGIONS + region) * (VALUES4 * QUERIES + 1u);
    let sums = products(region, at, values);
    let centers = queries[values + VALUES4 * QUERIES];
    for (var r = 0u; r < ROWS; r++) {
        let lane = thread + r * WORKGROUP;
        if lane >= rows {
            break;
        }
        let t = terms(at + r * WORKGROUP + CODE_WORDS * TILE);
        var row = round.shard_row + tile * TILE + lane;
        if REGIONS > 1u {
            row = planes[at + r * WORKGROUP + (PLANES - 1u) * TILE];
        }
        for (var query = 0u; query < QUERIES; query++) {
            let key = t.latents * of_query(sums[r], query) + (t.center * centers[query] + t.offset);
            offer(group * QUERIES + query, key, row);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    prepare(thread);
    for (var i = group.x; i < round.tile_count; i += round.workgroups) {
        // Every so many were scored in an earlier round.
        if round.skipped == 0u || (round.phase + i) % round.skipped != 0u {
            score(round.first_tile + i * round.tile_stride, group.y, thread);
        }
    }
}
