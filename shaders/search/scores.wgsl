// Scores rows of codes with queries, and lists the rows that reach a query's threshold:
//     key = a (q D . z) + b (q . c) + o                   see src/search/mod.rs
//     if key >= threshold: list[count++] = (key, row)
// queries [groups of queries, REGIONS, VALUES4 * QUERIES + 1]: what latents are multiplied by, then the
// products of the queries with the centroid.
// A thread has ROWS rows of a tile, so that it waits for memory for all of them at once, and loads queries once for all
// of them.
// needs: TILE, CODE_WORDS, REGIONS, PLANES, terms, row_number, offer, ROWS, WORKGROUP
// needs: products, QUERIES, of_query
// gives: queries, score

// Values of a query in a region, in fours.
override VALUES4: u32;

@group(0) @binding(3) var<storage, read> queries: array<vec4<f32>>;

fn score(region: u32, tile: u32, rows: u32, group: u32, thresholds: vec4<u32>, thread: u32) {
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
        let row = row_number(tile, lane, at + r * WORKGROUP);
        for (var query = 0u; query < QUERIES; query++) {
            let key = t.latents * of_query(sums[r], query) + (t.center * centers[query] + t.offset);
            offer(group * QUERIES + query, thresholds[query], key, row);
        }
    }
}
