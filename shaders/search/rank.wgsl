// The hits of a query from the candidates that are left, best first: a candidate's rank is the number of better
// ones. Of equal keys the lower row is the better. A workgroup has a query.
//     score = key, and for L2 |q|^2 - key
// hits [queries, k]: the number of a row, and the bits of its score. Where there are fewer candidates, and where
// the list overflowed, the last hits have no row and the worst score.
// needs: round, lists, OVERFLOWED, unordered

const WORKGROUP: u32 = 256u;
const NO_ROW: u32 = 0xffffffffu;
const SIGN: u32 = 0x80000000u;

// 0 inner product, 1 cosine, 2 L2.
override METRIC: u32;
// The bits of the score of a hit that there is none of.
override WORST: u32;

@group(0) @binding(1) var<storage, read> candidates: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> hits: array<vec2<u32>>;

fn is_better(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x > b.x || (a.x == b.x && a.y < b.y);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let query = group.x;
    let listed = atomicLoad(&lists[query].count);
    // No more than `k` are left. An overflowed list has none.
    let count = select(min(listed, round.k), 0u, listed == OVERFLOWED);
    let first = query * round.capacity;
    for (var i = thread; i < count; i += WORKGROUP) {
        let own = candidates[first + i];
        var rank = 0u;
        for (var j = 0u; j < count; j++) {
            rank += select(0u, 1u, is_better(candidates[first + j], own));
        }
        var score = unordered(own.x);
        if METRIC == 2u {
            // Rounding may leave less than nothing of a distance.
            score = max(lists[query].squared_norm - score, 0.0);
        }
        hits[query * round.k + rank] = vec2<u32>(own.y, bitcast<u32>(score));
    }
    for (var i = count + thread; i < round.k; i += WORKGROUP) {
        hits[query * round.k + i] = vec2<u32>(NO_ROW, WORST);
    }
}
