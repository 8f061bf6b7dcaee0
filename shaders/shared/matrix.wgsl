// The product on matrix units, f16 x f16 summed in f32: a workgroup of four subgroups owns a tile
// of ROWS rows x COLUMNS outputs, a subgroup 2 x 4 matrices of it, and walks the inputs in steps of
// STEP. The sums end in workgroup memory, since what lies where in a matrix is the driver's choice.
// Weights [4 * INPUTS4, 4 * OUTPUTS4] as f16, padded with zeros.

const THREADS: u32 = 128u;
// Of every adapter with such units.
const SUBGROUP: u32 = 32u;
const ROWS: u32 = 4u * SIDE;
const COLUMNS: u32 = 8u * SIDE;
const STEP: u32 = 2u * SIDE;
const STEP4: u32 = STEP / 4u;
const WIDE4: u32 = COLUMNS / 4u;
// Rows of the tiles are padded, or all would begin in the same bank.
const X_STRIDE: u32 = STEP + 8u;
const W_STRIDE: u32 = COLUMNS + 8u;
const SUM_STRIDE: u32 = COLUMNS + 4u;

@group(0) @binding(1) var<storage, read> weights: array<vec4<f16>>;

// [ROWS][STEP], [STEP][COLUMNS] and [ROWS][COLUMNS]
var<workgroup> tile_x: array<f16, ROWS * X_STRIDE>;
var<workgroup> tile_w: array<f16, STEP * W_STRIDE>;
var<workgroup> tile_sums: array<f32, ROWS * SUM_STRIDE>;

fn product(group: vec2<u32>, thread: u32) {
    let last = params.rows - 1u;
    let subgroup = thread / SUBGROUP;
    let row = (subgroup / 2u) * 2u * SIDE;
    let column = (subgroup % 2u) * 4u * SIDE;
    var s00 = Sum();
    var s01 = Sum();
    var s02 = Sum();
    var s03 = Sum();
    var s10 = Sum();
    var s11 = Sum();
    var s12 = Sum();
    var s13 = Sum();
    for (var step4 = 0u; step4 < INPUTS4; step4 += STEP4) {
        for (var item = thread; item < ROWS * STEP4; item += THREADS) {
            let i4 = step4 + item % STEP4;
            let tall = item / STEP4;
            // Beyond the last input both factors are zero, whatever stands there in memory; rows
            // beyond the last repeat it, and are not stored.
            let found = load(min(group.y * ROWS + tall, last), min(i4, INPUTS4 - 1u));
            let x = vec4<f16>(select(vec4<f32>(), found, i4 < INPUTS4));
            let at = tall * X_STRIDE + 4u * (item % STEP4);
            tile_x[at] = x.x;
            tile_x[at + 1u] = x.y;
            tile_x[at + 2u] = x.z;
            tile_x[at + 3u] = x.w;
        }
        for (var item = thread; item < STEP * WIDE4; item += THREADS) {
            let i = min(4u * step4 + item / WIDE4, 4u * INPUTS4 - 1u);
            let o4 = min(group.x * WIDE4 + item % WIDE4, OUTPUTS4 - 1u);
            let w = weights[i * OUTPUTS4 + o4];
            let at = (item / WIDE4) * W_STRIDE + 4u * (item % WIDE4);
            tile_w[at] = w.x;
            tile_w[at + 1u] = w.y;
            tile_w[at + 2u] = w.z;
            tile_w[at + 3u] = w.w;
        }
        workgroupBarrier();
        for (var i = 0u; i < STEP; i += SIDE) {
            let x0 = coopLoadT<Left>(&tile_x[row * X_STRIDE + i], X_STRIDE);
            let x1 = coopLoadT<Left>(&tile_x[(row + SIDE) * X_STRIDE + i], X_STRIDE);
            let from_w = i * W_STRIDE + column;
            let w0 = coopLoadT<Right>(&tile_w[from_w], W_STRIDE);
            s00 = coopMultiplyAdd(x0, w0, s00);
            s10 = coopMultiplyAdd(x1, w0, s10);
            let w1 = coopLoadT<Right>(&tile_w[from_w + SIDE], W_STRIDE);
            s01 = coopMultiplyAdd(x0, w1, s01);
            s11 = coopMultiplyAdd(x1, w1, s11);
            let w2 = coopLoadT<Right>(&tile_w[from_w + 2u * SIDE], W_STRIDE);
            s02 = coopMultiplyAdd(x0, w2, s02);
            s12 = coopMultiplyAdd(x1, w2, s12);
            let w3 = coopLoadT<Right>(&tile_w[from_w + 3u * SIDE], W_STRIDE);
            s03 = coopMultiplyAdd(x0, w3, s03);
            s13 = coopMultiplyAdd(x1, w3, s13);
        }
        workgroupBarrier();
    }
    let upper = row * SUM_STRIDE + column;
    let lower = upper + SIDE * SUM_STRIDE;
    coopStoreT(s00, &tile_sums[upper], SUM_STRIDE);
    coopStoreT(s01, &tile_sums[upper + SIDE], SUM_STRIDE);
    coopStoreT(s02, &tile_sums[upper + 2u * SIDE], SUM_STRIDE);
    coopStoreT(s03, &tile_sums[upper + 3u * SIDE], SUM_STRIDE);
    coopStoreT(s10, &tile_sums[lower], SUM_STRIDE);
    coopStoreT(s11, &tile_sums[lower + SIDE], SUM_STRIDE);
    coopStoreT(s12, &tile_sums[lower + 2u * SIDE], SUM_STRIDE);
    coopStoreT(s13, &tile_sums[lower + 3u * SIDE], SUM_STRIDE);
    workgroupBarrier();
}

// Four of the tile's sums, WIDE4 of them to a row.
fn sum_of(item: u32) -> vec4<f32> {
    let at = (item / WIDE4) * SUM_STRIDE + 4u * (item % WIDE4);
    return vec4<f32>(tile_sums[at], tile_sums[at + 1u], tile_sums[at + 2u], tile_sums[at + 3u]);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    product(group.xy, thread);
    for (var item = thread; item < ROWS * WIDE4; item += THREADS) {
        store_padded(group.y * ROWS + item / WIDE4, group.x * WIDE4 + item % WIDE4, sum_of(item));
    }
}

@compute @workgroup_size(THREADS)
fn main_ragged(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    product(group.xy, thread);
    for (var item = thread; item < ROWS * WIDE4; item += THREADS) {
        store_ragged(group.y * ROWS + item / WIDE4, group.x * WIDE4 + item % WIDE4, sum_of(item));
    }
}

@compute @workgroup_size(THREADS)
fn main_half(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    product(group.xy, thread);
    for (var item = thread; item < ROWS * WIDE4; item += THREADS) {
        store_half(group.y * ROWS + item / WIDE4, group.x * WIDE4 + item % WIDE4, sum_of(item));
    }
}
