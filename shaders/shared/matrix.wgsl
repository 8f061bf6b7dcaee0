// The product on matrix units, f16 x f16 summed in f32: a workgroup of four subgroups owns a tile
// of ROWS rows x COLUMNS outputs, a subgroup 2 x 4 matrices of it, and walks the inputs in steps of
// STEP. The sums end in workgroup memory, since what lies where in a matrix is the driver's choice.
// Weights [4 * OUTPUTS4, 4 * INPUTS4] as f16, padded with zeros.

const THREADS: u32 = 128u;
// Of every adapter with such units.
const SUBGROUP: u32 = 32u;
const ROWS: u32 = 4u * SIDE;
const COLUMNS: u32 = 8u * SIDE;
const STEP: u32 = 2u * SIDE;
const STEP4: u32 = STEP / 4u;
const WIDE4: u32 = COLUMNS / 4u;
// Rows of the tiles [ROWS][STEP], [COLUMNS][STEP] and [ROWS][COLUMNS] are padded, or all would begin
// in the same bank.
const STRIDE: u32 = STEP + 8u;
const SUM_STRIDE: u32 = COLUMNS + 4u;
// Vec4s that a thread brings in a step.
const X_ITEMS: u32 = ROWS * STEP4 / THREADS;
const W_ITEMS: u32 = COLUMNS * STEP4 / THREADS;

@group(0) @binding(1) var<storage, read> weights: array<vec4<f16>>;

struct Fetched {
    x: array<vec4<f16>, X_ITEMS>,
    w: array<vec4<f16>, W_ITEMS>,
}

// A thread's part of both tiles of a step.
fn fetch(group: vec2<u32>, thread: u32, step4: u32) -> Fetched {
    var fetched: Fetched;
    let i4 = step4 + thread % STEP4;
    let inside = i4 < INPUTS4;
    let at = min(i4, INPUTS4 - 1u);
    for (var n = 0u; n < X_ITEMS; n++) {
        // Beyond the last input x is zero, whatever stands there in memory; rows beyond the last
        // repeat it, and are not stored.
        let row = group.y * ROWS + (thread + n * THREADS) / STEP4;
        let x = load(min(row, params.rows - 1u), at);
        fetched.x[n] = vec4<f16>(select(vec4<f32>(), x, inside));
    }
    for (var n = 0u; n < W_ITEMS; n++) {
        let output = group.x * COLUMNS + (thread + n * THREADS) / STEP4;
        fetched.w[n] = weights[min(output, 4u * OUTPUTS4 - 1u) * INPUTS4 + at];
    }
    return fetched;
}

fn product(group: vec2<u32>, thread: u32) {
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
    var fetched = fetch(group, thread, 0u);
    for (var step4 = 0u; step4 < INPUTS4; step4 += STEP4) {
        let to = (thread / STEP4) * STRIDE + 4u * (thread % STEP4);
        for (var n = 0u; n < X_ITEMS; n++) {
            put_x(to + n * (THREADS / STEP4) * STRIDE, fetched.x[n]);
        }
        for (var n = 0u; n < W_ITEMS; n++) {
            put_w(to + n * (THREADS / STEP4) * STRIDE, fetched.w[n]);
        }
        workgroupBarrier();
        // The next step's values are under way while this one's are multiplied.
        if step4 + STEP4 < INPUTS4 {
            fetched = fetch(group, thread, step4 + STEP4);
        }
        for (var i = 0u; i < STEP; i += SIDE) {
            let x0 = coopLoadT<Left>(&tile_x[(row * STRIDE + i) / UNIT], STRIDE / UNIT);
            let x1 = coopLoadT<Left>(&tile_x[((row + SIDE) * STRIDE + i) / UNIT], STRIDE / UNIT);
            let from_w = column * STRIDE + i;
            let w0 = coopLoad<Right>(&tile_w[from_w / UNIT], STRIDE / UNIT);
            s00 = coopMultiplyAdd(x0, w0, s00);
            s10 = coopMultiplyAdd(x1, w0, s10);
            let w1 = coopLoad<Right>(&tile_w[(from_w + SIDE * STRIDE) / UNIT], STRIDE / UNIT);
            s01 = coopMultiplyAdd(x0, w1, s01);
            s11 = coopMultiplyAdd(x1, w1, s11);
            let w2 = coopLoad<Right>(&tile_w[(from_w + 2u * SIDE * STRIDE) / UNIT], STRIDE / UNIT);
            s02 = coopMultiplyAdd(x0, w2, s02);
            s12 = coopMultiplyAdd(x1, w2, s12);
            let w3 = coopLoad<Right>(&tile_w[(from_w + 3u * SIDE * STRIDE) / UNIT], STRIDE / UNIT);
            s03 = coopMultiplyAdd(x0, w3, s03);
            s13 = coopMultiplyAdd(x1, w3, s13);
        }
        workgroupBarrier();
    }
    let upper = row * SUM_STRIDE + column;
    let lower = upper + SIDE * SUM_STRIDE;
    coopStoreT(s00, &tile_sums[upper / UNIT], SUM_STRIDE / UNIT);
    coopStoreT(s01, &tile_sums[(upper + SIDE) / UNIT], SUM_STRIDE / UNIT);
    coopStoreT(s02, &tile_sums[(upper + 2u * SIDE) / UNIT], SUM_STRIDE / UNIT);
    coopStoreT(s03, &tile_sums[(upper + 3u * SIDE) / UNIT], SUM_STRIDE / UNIT);
    coopStoreT(s10, &tile_sums[lower / UNIT], SUM_STRIDE / UNIT);
    coopStoreT(s11, &tile_sums[(lower + SIDE) / UNIT], SUM_STRIDE / UNIT);
    coopStoreT(s12, &tile_sums[(lower + 2u * SIDE) / UNIT], SUM_STRIDE / UNIT);
    coopStoreT(s13, &tile_sums[(lower + 3u * SIDE) / UNIT], SUM_STRIDE / UNIT);
    workgroupBarrier();
}

// Four of the tile's sums, WIDE4 of them to a row.
fn sum_of(item: u32) -> vec4<f32> {
    return get_sum((item / WIDE4) * SUM_STRIDE + 4u * (item % WIDE4));
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
