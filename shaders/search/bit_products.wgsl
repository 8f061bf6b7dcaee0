// Products of queries with bit codes:
//     products[row, query] = sum_l table[window[row, l]] q[query, l]
// Two latents are looked up at once: the bits of both windows give a pair of values (src/gpu/kernels/pairs.rs).
// Conflicts of memory banks do not limit it: with look-ups that have none, a search takes as long (H200).
//
//     for each step of the region:                      at most 32 bits, which one shift brings into a word
//         for two look-ups at a time, a stride apart:
//             sums += pairs[first] . q.xy + pairs[second] . q.zw
//
// A step is four words: its first bit; where its table of pairs begins; the stride in 8 bits, above it the bits
// of a look-up in 8 bits, above them how many zeros stand before the first bit; how many twos of look-ups it has.
// Queries lie in the order of the steps. Padding has values of zero there.
// needs: TILE, ROWS, WORKGROUP, CODE_WORDS, planes, QUERIES, Sum, load_fours, add_fours, pair
// gives: products

// Steps of the region that has most.
override STEPS: u32;

@group(0) @binding(4) var<storage, read> steps: array<vec4<u32>>;

// The products of the thread's rows, whose first words are at `at`, with the queries at `values`.
fn products(region: u32, at: u32, values: u32) -> array<Sum, ROWS> {
    var sums: array<Sum, ROWS>;
    var value = values;
    for (var number = region * STEPS; number < (region + 1u) * STEPS; number++) {
        let step = steps[number];
        let word = step.x / 32u;
        let shift = step.x % 32u;
        // Both words are loaded at once. No look-up reads beyond the last one.
        let next = min(word + 1u, CODE_WORDS - 1u);
        let stride = step.z & 0xffu;
        let mask = (1u << (step.z >> 8u & 0xffu)) - 1u;
        let zeros = step.z >> 16u;
        var bits: array<u32, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            let low = planes[at + r * WORKGROUP + word * TILE];
            let high = planes[at + r * WORKGROUP + next * TILE];
            bits[r] = (low >> shift | (high << 1u) << (31u - shift)) << zeros;
        }
        for (var i = 0u; i < step.w; i++) {
            let q = load_fours(value);
            value += QUERIES;
            for (var r = 0u; r < ROWS; r++) {
                let first = pair(step.y + (bits[r] & mask));
                bits[r] >>= stride;
                let second = pair(step.y + (bits[r] & mask));
                bits[r] >>= stride;
                sums[r] = add_fours(sums[r], q, vec4<f32>(first, second));
            }
        }
    }
    return sums;
}
