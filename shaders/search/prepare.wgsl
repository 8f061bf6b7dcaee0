// Queries as a search projects them, from rows of values of the caller's, and their lists as the search begins:
//     scaled[query, d] = scale row[query, d]
// scale: 1 for the inner product, 2 for L2, 1 / |row| for the cosine. Rows are multiplied by a power of two first,
// so that squares neither overflow nor vanish.
// A query that is not finite has no candidates and counts as overflowed, and so does one with a value of LARGEST
// or more that is not compared by the cosine. What fills up the last group has no candidates.
// A workgroup has a query.
// needs: round, lists, OVERFLOWED, NO_KEY, magnitude, INFINITY, largest_of_workgroup, sum_of_threads
// gives: WORKGROUP

const WORKGROUP: u32 = 256u;
// 2^56 as bits: products with rows of a norm up to 2^56 stay in the range of f32.
const LARGEST: u32 = 0x5b800000u;

// Values of a query row.
override INPUTS: u32;
// 0 inner product, 1 cosine, 2 L2.
override METRIC: u32;

// [queries, INPUTS]
@group(0) @binding(1) var<storage, read> rows: array<f32>;
// The same.
@group(0) @binding(2) var<storage, read_write> scaled: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let query = group.x;
    // Where there is no such query, the last one is read.
    let is_query = query < round.query_count;
    let first = min(query, round.query_count - 1u) * INPUTS;
    var own_largest = 0u;
    for (var d = thread; d < INPUTS; d += WORKGROUP) {
        own_largest = max(own_largest, magnitude(vec4<f32>(rows[first + d])));
    }
    let largest = largest_of_workgroup(thread, own_largest);
    let is_scored = is_query && largest < select(LARGEST, INFINITY, METRIC == 1u);
    // The power of two brings the largest value between 1 and 2, and its inverse is a number, too.
    let exponent = clamp(254u - min(largest >> 23u, 254u), 1u, 253u);
    let power = bitcast<f32>(exponent << 23u);
    let inverse = bitcast<f32>((254u - exponent) << 23u);
    var own_squares = 0.0;
    for (var d = thread; d < INPUTS; d += WORKGROUP) {
        let value = power * rows[first + d];
        own_squares += value * value;
    }
    let squared = sum_of_threads(thread, WORKGROUP, own_squares);
    var scale = inverse;
    if METRIC == 1u {
        scale = select(0.0, 1.0 / sqrt(squared), squared > 0.0);
    } else if METRIC == 2u {
        scale = 2.0 * inverse;
    }
    if is_query {
        for (var d = thread; d < INPUTS; d += WORKGROUP) {
            scaled[first + d] = select(0.0, scale * (power * rows[first + d]), is_scored);
        }
    }
    if thread == 0u {
        let is_refused = is_query && !is_scored;
        lists[query].threshold = select(NO_KEY, 0u, is_scored);
        atomicStore(&lists[query].count, select(0u, OVERFLOWED, is_refused));
        lists[query].slack = 0.0;
        lists[query].last_row = 0xffffffffu;
        lists[query].squared_norm = squared * inverse * inverse;
    }
}
