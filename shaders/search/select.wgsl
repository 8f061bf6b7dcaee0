// Raises the threshold of a query after a round, and drops candidates below it. A workgroup has a query.
//     threshold = the k-th largest key - slack
// The k-th largest key is found digit by digit, the highest first, in base 256: count the keys that have the
// digits found so far by their next digit, and take the digit in which the k-th falls.
// After the last round the numbers of the rows that are left are written to `found`.
// needs: round, lists, ordered, unordered

const WORKGROUP: u32 = 256u;
// The count of a list that overflowed. No candidate passes its threshold any more.
const OVERFLOWED: u32 = 0xffffffffu;

@group(0) @binding(1) var<storage, read_write> candidates: array<vec2<u32>>;
// [queries, found_capacity]
@group(0) @binding(2) var<storage, read_write> found: array<u32>;

var<workgroup> digits: array<atomic<u32>, WORKGROUP>;
// Keys of this digit or a larger one, and a zero behind them.
var<workgroup> at_least: array<u32, WORKGROUP + 1u>;
var<workgroup> chosen: vec2<u32>;
var<workgroup> left: atomic<u32>;
var<workgroup> list_count: u32;

// The k-th largest key of `count` candidates.
fn kth_key(first: u32, count: u32, thread: u32) -> u32 {
    // The digits so far, and which key among those that have them is wanted.
    var key = 0u;
    var rank = round.k;
    for (var shift = 24u; ; shift -= 8u) {
        atomicStore(&digits[thread], 0u);
        workgroupBarrier();
        for (var i = thread; i < count; i += WORKGROUP) {
            let bits = candidates[first + i].x;
            // Two shifts, because one by 32 bits is undefined.
            if ((bits ^ key) >> shift) >> 8u == 0u {
                atomicAdd(&digits[bits >> shift & 0xffu], 1u);
            }
        }
        workgroupBarrier();
        var sum = atomicLoad(&digits[thread]);
        at_least[thread] = sum;
        if thread == 0u {
            at_least[WORKGROUP] = 0u;
        }
        workgroupBarrier();
        for (var distance = 1u; distance < WORKGROUP; distance *= 2u) {
            var more = 0u;
            if thread + distance < WORKGROUP {
                more = at_least[thread + distance];
            }
            workgroupBarrier();
            sum += more;
            at_least[thread] = sum;
            workgroupBarrier();
        }
        let larger = at_least[thread + 1u];
        if sum >= rank && larger < rank {
            chosen = vec2<u32>(thread, larger);
        }
        workgroupBarrier();
        key |= chosen.x << shift;
        rank -= chosen.y;
        workgroupBarrier();
        if shift == 0u {
            break;
        }
    }
    return key;
}

// Moves candidates that reach the threshold to the front. A block is read before any of it is written.
fn compact(query: u32, first: u32, count: u32, threshold: u32, thread: u32) {
    if thread == 0u {
        atomicStore(&left, 0u);
    }
    for (var block = 0u; block < count; block += WORKGROUP) {
        var candidate = vec2<u32>(0u);
        let i = block + thread;
        if i < count {
            candidate = candidates[first + i];
        }
        workgroupBarrier();
        if i < count && candidate.x >= threshold {
            let to = atomicAdd(&left, 1u);
            if round.is_last == 0u {
                candidates[first + to] = candidate;
            } else if to < round.found_capacity {
                found[query * round.found_capacity + to] = candidate.y;
            }
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let query = group.x;
    if thread == 0u {
        list_count = atomicLoad(&lists[query].count);
    }
    let count = workgroupUniformLoad(&list_count);
    if count > round.capacity {
        if thread == 0u {
            atomicStore(&lists[query].count, OVERFLOWED);
            lists[query].threshold = 0xffffffffu;
        }
        return;
    }
    let first = query * round.capacity;
    var threshold = lists[query].threshold;
    if count >= round.k {
        let kth = unordered(kth_key(first, count, thread));
        threshold = max(threshold, ordered(kth - lists[query].slack));
    }
    compact(query, first, count, threshold, thread);
    if thread == 0u {
        lists[query].threshold = threshold;
        atomicStore(&lists[query].count, atomicLoad(&left));
    }
}
