// Scores candidates of a shard in f32, of which the lists have bounds on their keys:
//     list[i] = (key, position)
// Candidates that an earlier round left are scored again, and have the same keys. There are few of them.
// A workgroup has eight candidates at a time, each of which has 32 threads. A thread looks up every 32nd pair of values.
// needs: round, lists, ordered, TILE, CODE_WORDS, REGIONS, PLANES, tiles, planes, terms, sum_of_threads
// gives: WORKGROUP

const WORKGROUP: u32 = 256u;
const LANES: u32 = 32u;
const TEAMS: u32 = WORKGROUP / LANES;

// Values of a query in a region, in fours.
override VALUES4: u32;
// Words of the pairs of values, and look-ups of a region.
override PAIRS: u32;
override LOOK_UPS: u32;

// [queries, REGIONS, 2 (VALUES4 + 1)]: the last two are the product with the centroid, and zero.
@group(0) @binding(3) var<storage, read> queries: array<vec2<f32>>;
// The pairs, two f16 in a word, then [REGIONS, LOOK_UPS, 2]: see coop_scan.wgsl.
@group(0) @binding(4) var<storage, read> look_ups: array<u32>;
@group(0) @binding(7) var<storage, read_write> candidates: array<vec2<u32>>;

var<workgroup> list_count: u32;

// What a lane adds to the product of a row, whose first word is at `at`, with the values of a query from `first` on.
fn part_of_product(region: u32, at: u32, first: u32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var i = lane; i < 2u * VALUES4; i += LANES) {
        let look_up = PAIRS + 2u * (region * LOOK_UPS + i);
        let bits = look_ups[look_up];
        let word = (bits & 0xfffffu) / 32u;
        let shift = bits % 32u;
        // No look-up reads beyond the last one.
        let next = min(word + 1u, CODE_WORDS - 1u);
        let both = planes[at + word * TILE] >> shift | (planes[at + next * TILE] << 1u) << (31u - shift);
        let mask = (1u << (bits >> 24u)) - 1u;
        let found = look_ups[look_up + 1u] + (both << (bits >> 20u & 0xfu) & mask);
        let values = unpack2x16float(look_ups[found]);
        let q = queries[first + i];
        sum += q.x * values.x + q.y * values.y;
    }
    return sum;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let query = group.y;
    if thread == 0u {
        let count = atomicLoad(&lists[query].count);
        // A list that overflowed is dropped.
        list_count = select(count, 0u, count > round.capacity);
    }
    let count = workgroupUniformLoad(&list_count);
    let lane = thread % LANES;
    for (var block = group.x * TEAMS; block < count; block += groups.x * TEAMS) {
        let i = query * round.capacity + min(block + thread / LANES, count - 1u);
        let position = candidates[i].y - round.first_position;
        let is_here = block + thread / LANES < count && position < round.positions;
        let tile = select(0u, position / TILE, is_here);
        let at = tile * PLANES * TILE + position % TILE;
        let region = tiles[tile] >> 24u;
        let first = (query * REGIONS + region) * 2u * (VALUES4 + 1u);
        var own = 0.0;
        if is_here {
            own = part_of_product(region, at, first, lane);
        }
        let product = sum_of_threads(thread, LANES, own);
        if is_here && lane == 0u {
            let t = terms(at + CODE_WORDS * TILE);
            let center = queries[first + 2u * VALUES4].x;
            candidates[i].x = ordered(t.latents * product + (t.center * center + t.offset));
        }
    }
}
