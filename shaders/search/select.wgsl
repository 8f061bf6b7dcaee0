// Raises the threshold of a query after a round, and drops candidates below it. A workgroup has a query.
//     threshold = the k-th largest key - slack
// Where ties are broken, candidates are ordered by their keys and then by their rows, the lower row first, and
// those behind the k-th are dropped.
// The k-th candidate is found digit by digit, the highest first, in base 256: count the candidates that have the
// digits found so far by their next digit, and take the digit in which the k-th falls. The digits are those of
// the key, and then those of the row's complement.
// After the last round the numbers of the rows that are left are written to `found`. After a sample none are left.
// needs: round, lists, OVERFLOWED, NO_KEY, ordered, unordered

const WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read_write> candidates: array<vec2<u32>>;
// [queries, found_capacity]
@group(0) @binding(2) var<storage, read_write> found: array<u32>;

var<workgroup> digits: array<atomic<u32>, WORKGROUP>;
// Keys of this digit or a larger one, and a zero behind them.
var<workgroup> at_least: array<u32, WORKGROUP + 1u>;
var<workgroup> chosen: vec2<u32>;
var<workgroup> left: atomic<u32>;
var<workgroup> list_count: u32;

// The digit of a candidate at `shift`, if the digits before it are those of `found`; else a number beyond all.
fn digit(candidate: vec2<u32>, found: vec2<u32>, is_of_row: bool, shift: u32) -> u32 {
    let bits = select(candidate.x, ~candidate.y, is_of_row);
    let known = select(found.x, found.y, is_of_row);
    // Two shifts, because one by 32 bits is undefined.
    let differs = ((bits ^ known) >> shift) >> 8u != 0u || (is_of_row && candidate.x != found.x);
    return select(bits >> shift & 0xffu, WORKGROUP, differs);
}

// The key of the k-th of `count` candidates, and the complement of its row where ties are broken.
fn kth(first: u32, count: u32, thread: u32) -> vec2<u32> {
    // The digits so far, and which candidate among those that have them is wanted.
    var found = vec2<u32>();
    var rank = round.k;
    let count_of_digits = select(4u, 8u, round.breaks_ties != 0u);
    for (var number = 0u; number < count_of_digits; number++) {
        let shift = 24u - 8u * (number % 4u);
        let is_of_row = number >= 4u;
        atomicStore(&digits[thread], 0u);
        workgroupBarrier();
        for (var i = thread; i < count; i += WORKGROUP) {
            let its = digit(candidates[first + i], found, is_of_row, shift);
            if its < WORKGROUP {
                atomicAdd(&digits[its], 1u);
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
        if is_of_row {
            found.y |= chosen.x << shift;
        } else {
            found.x |= chosen.x << shift;
        }
        rank -= chosen.y;
        workgroupBarrier();
    }
    return found;
}

// Moves candidates that reach the threshold to the front. A block is read before any of it is written.
fn compact(query: u32, first: u32, count: u32, threshold: u32, last_row: u32, thread: u32) {
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
        let is_behind = candidate.x == threshold && candidate.y > last_row;
        if i < count && candidate.x >= threshold && !is_behind {
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
            lists[query].threshold = NO_KEY;
        }
        return;
    }
    let first = query * round.capacity;
    var threshold = lists[query].threshold;
    var last_row = lists[query].last_row;
    if count >= round.k {
        let last = kth(first, count, thread);
        if round.breaks_ties != 0u {
            threshold = last.x;
            last_row = ~last.y;
        } else {
            threshold = max(threshold, ordered(unordered(last.x) - lists[query].slack));
        }
    }
    if round.is_sample == 0u {
        compact(query, first, count, threshold, last_row, thread);
    }
    if thread == 0u {
        lists[query].threshold = threshold;
        lists[query].last_row = last_row;
        atomicStore(&lists[query].count, select(atomicLoad(&left), 0u, round.is_sample != 0u));
    }
}
