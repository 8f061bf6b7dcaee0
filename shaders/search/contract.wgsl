// What the kernels of a search have in common. A search scores all rows in rounds, and after each round
// `select` raises the thresholds of all queries: see src/gpu/search/mod.rs.
// gives: round, lists, OVERFLOWED, NO_KEY, ordered, unordered

// One dispatch.
struct Round {
    // It visits so many tiles of a shard, from the first one on, a stride apart.
    first_tile: u32,
    tile_stride: u32,
    tile_count: u32,
    workgroups: u32,
    // Of these tiles, it leaves out those for which (phase + i) is a multiple of `skipped`, if that is not 0.
    phase: u32,
    skipped: u32,
    // The number of the batch's first row among all rows, and of the shard's first row in the batch.
    first_row: u32,
    shard_row: u32,
    is_filtered: u32,
    // Hits that are wanted.
    k: u32,
    // Candidates that a list has room for, and rows that are read back of each.
    capacity: u32,
    found_capacity: u32,
    is_last: u32,
    // Whether of equal keys the rows of the lowest numbers are taken, and no others.
    breaks_ties: u32,
    query_count: u32,
    // Rows of a tile that are scored, from the first one on.
    tile_rows: u32,
    // Whether the candidates give thresholds alone, and are dropped then: their tiles are scored again.
    is_sample: u32,
    // Positions of a shard: rows of its tiles, in the order of all shards. The first one, and how many.
    first_position: u32,
    positions: u32,
}

struct List {
    // What a key must reach, as ordered bits.
    threshold: u32,
    // Candidates that were added. More than the list has room for if it overflowed.
    count: atomic<u32>,
    // Twice the bound on the error of the query's keys.
    slack: f32,
    // The last row that counts among those whose keys are the threshold.
    last_row: u32,
    // The squared norm of the query, where a device has computed it.
    squared_norm: f32,
}

// The count of a list that overflowed. No candidate passes its threshold any more.
const OVERFLOWED: u32 = 0xffffffffu;
// The threshold of a query that has no candidates.
const NO_KEY: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> round: Round;
// A list per query.
@group(0) @binding(6) var<storage, read_write> lists: array<List>;

const SIGN_BIT: u32 = 0x80000000u;

// Bits that order as keys do. Minus zero is zero.
fn ordered(key: f32) -> u32 {
    let found = bitcast<u32>(key);
    let bits = select(found, 0u, found == SIGN_BIT);
    return select(bits | SIGN_BIT, ~bits, bits >= SIGN_BIT);
}

fn unordered(bits: u32) -> f32 {
    return bitcast<f32>(select(~bits, bits & ~SIGN_BIT, bits >= SIGN_BIT));
}
