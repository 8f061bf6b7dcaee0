// Products on matrix units, f16 x f16 summed in f32: a workgroup of eight subgroups owns a tile of
// ROWS rows x COLUMNS outputs, a subgroup the matrices of one column of it. Weights come straight from
// memory, by way of the caches.
// Weights [BLOCKS_DOWN, BLOCKS_ACROSS] matrices of SIDE outputs x SIDE inputs as f16, padded with
// zeros to whole steps of 32 inputs, and beyond 128 inputs of 64.

const THREADS: u32 = 256u;
// Of every adapter with such units.
const SUBGROUP: u32 = 32u;
const COLUMNS: u32 = 8u * SIDE;
const WIDE4: u32 = COLUMNS / 4u;
// A row of a strip [SIDE][COLUMNS] is padded, or all would begin in the same bank.
const STRIP: u32 = COLUMNS + 8u;
override BLOCKS_DOWN: u32;
override BLOCKS_ACROSS: u32;

// Of each of the tile's rows.
var<workgroup> factors: array<f32, ROWS>;

fn clamped(group: vec2<u32>, row: u32) -> u32 {
    return min(group.y * ROWS + row, params.rows - 1u);
}

// The first of the weights' matrices for a thread's subgroup; those of further inputs follow it.
fn first_matrix(group: vec2<u32>, thread: u32) -> u32 {
    return min(group.x * COLUMNS / SIDE + thread / SUBGROUP, BLOCKS_DOWN - 1u) * BLOCKS_ACROSS;
}

// A thread's outputs are the same in all strips.
fn bias_of(group: vec2<u32>, thread: u32) -> vec4<f32> {
    return bias[min(group.x * WIDE4 + thread % WIDE4, OUTPUTS4 - 1u)];
}

// The sums of SIDE rows pass through workgroup memory, since what lies where in a matrix is the
// driver's choice.
fn strip(thread: u32, sum: Sum) {
    keep(sum, thread / SUBGROUP * SIDE);
    workgroupBarrier();
}

// Vec4 number `item` of strip number `down`.
fn strip_value(down: u32, item: u32, b: vec4<f32>) -> vec4<f32> {
    let row = down * SIDE + item / WIDE4;
    let sum = kept(item / WIDE4 * STRIP + 4u * (item % WIDE4));
    return finish(rescaled(sum, row), factors[row], b);
}
