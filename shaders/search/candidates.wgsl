// The lists that rows are added to.
// needs: round, lists, ordered, TILE, REGIONS, PLANES, planes
// gives: row_number, is_allowed, add_candidate, offer, is_in_round

@group(0) @binding(7) var<storage, read_write> candidates: array<vec2<u32>>;
// A bit for each row of the batch, read if `round.is_filtered`.
@group(0) @binding(8) var<storage, read> allowed: array<u32>;

// The number of a row in its batch. `at` is its word in the first plane of its tile.
fn row_number(tile: u32, lane: u32, at: u32) -> u32 {
    if REGIONS > 1u {
        return planes[at + (PLANES - 1u) * TILE];
    }
    return round.shard_row + tile * TILE + lane;
}

fn is_allowed(row: u32) -> bool {
    return round.is_filtered == 0u || (allowed[row / 32u] >> (row % 32u) & 1u) == 1u;
}

fn add_candidate(query: u32, bits: u32, number: u32) {
    let at = atomicAdd(&lists[query].count, 1u);
    if at < round.capacity {
        candidates[query * round.capacity + at] = vec2<u32>(bits, number);
    }
}

// Adds a row to the list of a query if its key reaches the query's threshold. The caller has loaded the
// threshold, which a dispatch does not change: loaded here it would cost a wait for memory per key.
fn offer(query: u32, threshold: u32, key: f32, row: u32) {
    let bits = ordered(key);
    if bits >= threshold && is_allowed(row) {
        let number = round.first_row + row;
        if bits == threshold && number > lists[query].last_row {
            return;
        }
        add_candidate(query, bits, number);
    }
}

// Whether a round scores a tile that it visits: every so many were scored in an earlier round.
fn is_in_round(visited: u32) -> bool {
    return round.skipped == 0u || (round.phase + visited) % round.skipped != 0u;
}
