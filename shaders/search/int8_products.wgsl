// Products of queries with 8-bit codes, four codes in a word:
//     products[row, query] = sum_l code[row, l] q[query, l]
// needs: TILE, ROWS, WORKGROUP, CODE_WORDS, planes, QUERIES, Sum, load_fours, add_fours
// gives: prepare, prepare_region, products

fn prepare(thread: u32) {
}

fn prepare_region(region: u32, group: u32, thread: u32) {
}

// The products of the thread's rows, whose first words are at `at`, with the queries at `values`.
fn products(region: u32, at: u32, values: u32) -> array<Sum, ROWS> {
    var sums: array<Sum, ROWS>;
    for (var word = 0u; word < CODE_WORDS; word++) {
        let q = load_fours(values + word * QUERIES);
        for (var r = 0u; r < ROWS; r++) {
            let codes = unpack4xI8(planes[at + r * WORKGROUP + word * TILE]);
            sums[r] = add_fours(sums[r], q, vec4<f32>(codes));
        }
    }
    return sums;
}
