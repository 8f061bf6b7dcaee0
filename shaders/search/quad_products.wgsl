// Scores bit codes with queries in integers, and lists the rows that may reach a query's threshold. They are listed by
// their positions, with bounds on their keys: near_scores.wgsl scores them in f32.
//     approximate[row, query] = query scale sum_l int8[window[row, l]] int16[query, l]
// A look-up gives up to four neighbouring latents, whose values are the bytes of a u32 (src/gpu/kernels/quads.rs).
// A query's values have a high and a low byte, each of which is multiplied with all four latents at once.
//
//     for each code word:                               in a register, as the next two are
//         for each step that begins in it:              at most 32 bits, which one shift brings into a word
//             for four look-ups, a stride apart:
//                 high += quads[bits] . q.high
//                 low += quads[bits] . q.low
//     approximate = query scale (256 high + low)
//     bound = a approximate + b (q . c) + o + |a| margin
//     if bound >= threshold: list[count++] = (bound, position)
//
// No key exceeds its bound by more than f32 rounds, which is half of a list's slack at most.
// A word is loaded once, and long before it is read. bit_products.wgsl loads words for each step, and waits for them
// longer than for look-ups. What a step and its queries are lies in workgroup memory. H200, 10 million rows of 64 bytes
// in 16 regions, one query, milliseconds:
//     pairs in f32, words loaded for each step (bit_products.wgsl)                1.04
//     the same with words loaded once                                             0.83
//     quads in integers, words loaded for each step                               1.44
//     the same with words loaded once                                             0.71
//     the same with all words written out, and steps in uniform memory            0.65
//     and without look-ups                                                        0.59
// A step is two words: its first bit in 5 bits, the stride in 8 bits from bit 8 on, how many zeros stand before the
// first bit in 8 bits from bit 16 on, and in the highest bit whether it is the last of its word; then where its table
// begins, and above it, from bit 16 on, a mask of the bits of a look-up. Each word has a step.
// needs: round, TILE, CODE_WORDS, REGIONS, PLANES, planes, terms, row_number, is_allowed, ordered
// needs: add_candidate, ROWS, WORKGROUP, QUERIES, Totals, add_quads, product_of
// gives: prepare, prepare_region, score, near_queries

// Steps of a region.
override STEPS: u32;
// Words of all tables.
override QUADS: u32;
// Fours of words of a group's packed queries in a region: 2 STEPS QUERIES + 3.
override QUERY_FOURS: u32;

// [groups, REGIONS, QUERY_FOURS]: [STEPS, 2 QUERIES], then as f32 the scales of the queries, their margins, and their
// products with the centroid.
@group(0) @binding(3) var<storage, read> packed_queries: array<vec4<u32>>;
// The tables, four words at a time, then the steps [REGIONS, STEPS], in two of four words.
@group(0) @binding(4) var<storage, read> quads: array<vec4<u32>>;

var<workgroup> near_quads: array<u32, QUADS>;
var<workgroup> near_steps: array<vec2<u32>, STEPS>;
var<workgroup> near_queries: array<vec4<u32>, QUERY_FOURS>;

fn prepare(thread: u32) {
    for (var i = thread; i < QUADS / 4u; i += WORKGROUP) {
        let four = quads[i];
        near_quads[4u * i] = four.x;
        near_quads[4u * i + 1u] = four.y;
        near_quads[4u * i + 2u] = four.z;
        near_quads[4u * i + 3u] = four.w;
    }
}

fn prepare_region(region: u32, group: u32, thread: u32) {
    // Threads may still read those of the region before.
    workgroupBarrier();
    for (var i = thread; i < STEPS; i += WORKGROUP) {
        near_steps[i] = quads[QUADS / 4u + region * STEPS + i].xy;
    }
    let first = (group * REGIONS + region) * QUERY_FOURS;
    for (var i = thread; i < QUERY_FOURS; i += WORKGROUP) {
        near_queries[i] = packed_queries[first + i];
    }
    workgroupBarrier();
}

// The words of this number of the thread's rows, whose first words are at `at`. Behind the last word there is none to be read.
fn words_at(at: u32, word: u32) -> array<u32, ROWS> {
    var words: array<u32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        words[r] = planes[at + r * WORKGROUP + min(word, CODE_WORDS - 1u) * TILE];
    }
    return words;
}

// Sums of products of the thread's rows with the queries.
fn sums_of_products(at: u32) -> array<Totals, ROWS> {
    var totals: array<Totals, ROWS>;
    var own = words_at(at, 0u);
    var next = words_at(at, 1u);
    var number = 0u;
    for (var word = 0u; word < CODE_WORDS; word++) {
        let ahead = words_at(at, word + 2u);
        loop {
            let step = near_steps[number];
            let shift = step.x & 31u;
            let stride = step.x >> 8u & 0xffu;
            let zeros = step.x >> 16u & 0xffu;
            let table = step.y & 0xffffu;
            let mask = step.y >> 16u;
            var bits: array<u32, ROWS>;
            for (var r = 0u; r < ROWS; r++) {
                bits[r] = (own[r] >> shift | (next[r] << 1u) << (31u - shift)) << zeros;
            }
            for (var two = 2u * number; two < 2u * number + 2u; two++) {
                for (var r = 0u; r < ROWS; r++) {
                    let first = near_quads[table + (bits[r] & mask)];
                    bits[r] >>= stride;
                    let second = near_quads[table + (bits[r] & mask)];
                    bits[r] >>= stride;
                    totals[r] = add_quads(totals[r], two, first, second);
                }
            }
            number++;
            if step.x >> 31u == 1u {
                break;
            }
        }
        own = next;
        next = ahead;
    }
    return totals;
}

fn score(region: u32, tile: u32, rows: u32, group: u32, thresholds: vec4<u32>, thread: u32) {
    let at = tile * PLANES * TILE + thread;
    let totals = sums_of_products(at);
    let query_scales = bitcast<vec4<f32>>(near_queries[QUERY_FOURS - 3u]);
    let margins = bitcast<vec4<f32>>(near_queries[QUERY_FOURS - 2u]);
    let centers = bitcast<vec4<f32>>(near_queries[QUERY_FOURS - 1u]);
    for (var r = 0u; r < ROWS; r++) {
        let lane = thread + r * WORKGROUP;
        if lane >= rows {
            break;
        }
        let t = terms(at + r * WORKGROUP + CODE_WORDS * TILE);
        for (var query = 0u; query < QUERIES; query++) {
            let product = query_scales[query] * product_of(totals[r], query);
            let approximate = t.latents * product + (t.center * centers[query] + t.offset);
            let bound = ordered(approximate + abs(t.latents) * margins[query]);
            if bound >= thresholds[query] && is_allowed(row_number(tile, lane, at + r * WORKGROUP)) {
                add_candidate(group * QUERIES + query, bound, round.first_position + tile * TILE + lane);
            }
        }
    }
}
