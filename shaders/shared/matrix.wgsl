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
// Vec4s that a thread brings in a step: 4 and 8 with units of 16, 1 and 2 with those of 8.
const X_ITEMS: u32 = ROWS * STEP4 / THREADS;
const W_ITEMS: u32 = COLUMNS * STEP4 / THREADS;

@group(0) @binding(1) var<storage, read> weights: array<vec4<f16>>;

// A thread's part of both tiles of a step. Its loads are written out, so that all of them are under
// way before one is waited for: compilers do not unroll every loop.
struct Fetched {
    x0: vec4<f16>,
    x1: vec4<f16>,
    x2: vec4<f16>,
    x3: vec4<f16>,
    w0: vec4<f16>,
    w1: vec4<f16>,
    w2: vec4<f16>,
    w3: vec4<f16>,
    w4: vec4<f16>,
    w5: vec4<f16>,
    w6: vec4<f16>,
    w7: vec4<f16>,
}

// Rows beyond the last repeat it, and are not stored.
fn fetch_x(group: vec2<u32>, thread: u32, n: u32, at: u32) -> vec4<f32> {
    let row = group.y * ROWS + (thread + n * THREADS) / STEP4;
    return load(min(row, params.rows - 1u), at);
}

fn fetch_w(group: vec2<u32>, thread: u32, n: u32, at: u32) -> vec4<f16> {
    let output = group.x * COLUMNS + (thread + n * THREADS) / STEP4;
    return weights[min(output, 4u * OUTPUTS4 - 1u) * INPUTS4 + at];
}

fn fetch(group: vec2<u32>, thread: u32, step4: u32) -> Fetched {
    var fetched: Fetched;
    let i4 = step4 + thread % STEP4;
    let at = min(i4, INPUTS4 - 1u);
    var x0 = fetch_x(group, thread, 0u, at);
    var x1: vec4<f32>;
    var x2: vec4<f32>;
    var x3: vec4<f32>;
    if X_ITEMS == 4u {
        x1 = fetch_x(group, thread, 1u, at);
        x2 = fetch_x(group, thread, 2u, at);
        x3 = fetch_x(group, thread, 3u, at);
    }
    fetched.w0 = fetch_w(group, thread, 0u, at);
    fetched.w1 = fetch_w(group, thread, 1u, at);
    if W_ITEMS == 8u {
        fetched.w2 = fetch_w(group, thread, 2u, at);
        fetched.w3 = fetch_w(group, thread, 3u, at);
        fetched.w4 = fetch_w(group, thread, 4u, at);
        fetched.w5 = fetch_w(group, thread, 5u, at);
        fetched.w6 = fetch_w(group, thread, 6u, at);
        fetched.w7 = fetch_w(group, thread, 7u, at);
    }
    // Beyond the last input x is zero, whatever stands there in memory.
    fetched.x0 = vec4<f16>(select(vec4<f32>(), x0, i4 < INPUTS4));
    fetched.x1 = vec4<f16>(select(vec4<f32>(), x1, i4 < INPUTS4));
    fetched.x2 = vec4<f16>(select(vec4<f32>(), x2, i4 < INPUTS4));
    fetched.x3 = vec4<f16>(select(vec4<f32>(), x3, i4 < INPUTS4));
    return fetched;
}

fn put(thread: u32, fetched: Fetched) {
    let to = (thread / STEP4) * STRIDE + 4u * (thread % STEP4);
    let next = (THREADS / STEP4) * STRIDE;
    put_x(to, fetched.x0);
    if X_ITEMS == 4u {
        put_x(to + next, fetched.x1);
        put_x(to + 2u * next, fetched.x2);
        put_x(to + 3u * next, fetched.x3);
    }
    put_w(to, fetched.w0);
    put_w(to + next, fetched.w1);
    if W_ITEMS == 8u {
        put_w(to + 2u * next, fetched.w2);
        put_w(to + 3u * next, fetched.w3);
        put_w(to + 4u * next, fetched.w4);
        put_w(to + 5u * next, fetched.w5);
        put_w(to + 6u * next, fetched.w6);
        put_w(to + 7u * next, fetched.w7);
    }
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
        put(thread, fetched);
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

fn row_of(group: vec3<u32>, item: u32) -> u32 {
    return group.y * ROWS + item / WIDE4;
}

fn o4_of(group: vec3<u32>, item: u32) -> u32 {
    return group.x * WIDE4 + item % WIDE4;
}

fn finished_item(group: vec3<u32>, item: u32) -> vec4<f32> {
    return finished(row_of(group, item), o4_of(group, item), sum_of(item));
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    product(group.xy, thread);
    for (var item = thread; item < ROWS * WIDE4; item += 4u * THREADS) {
        let a = finished_item(group, item);
        let b = finished_item(group, item + THREADS);
        let c = finished_item(group, item + 2u * THREADS);
        let d = finished_item(group, item + 3u * THREADS);
        store_padded(row_of(group, item), o4_of(group, item), a);
        store_padded(row_of(group, item + THREADS), o4_of(group, item), b);
        store_padded(row_of(group, item + 2u * THREADS), o4_of(group, item), c);
        store_padded(row_of(group, item + 3u * THREADS), o4_of(group, item), d);
    }
}

@compute @workgroup_size(THREADS)
fn main_ragged(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    product(group.xy, thread);
    for (var item = thread; item < ROWS * WIDE4; item += 4u * THREADS) {
        let a = finished_item(group, item);
        let b = finished_item(group, item + THREADS);
        let c = finished_item(group, item + 2u * THREADS);
        let d = finished_item(group, item + 3u * THREADS);
        store_ragged(row_of(group, item), o4_of(group, item), a);
        store_ragged(row_of(group, item + THREADS), o4_of(group, item), b);
        store_ragged(row_of(group, item + 2u * THREADS), o4_of(group, item), c);
        store_ragged(row_of(group, item + 3u * THREADS), o4_of(group, item), d);
    }
}

@compute @workgroup_size(THREADS)
fn main_half(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    product(group.xy, thread);
    for (var item = thread; item < ROWS * WIDE4; item += 4u * THREADS) {
        let a = finished_item(group, item);
        let b = finished_item(group, item + THREADS);
        let c = finished_item(group, item + 2u * THREADS);
        let d = finished_item(group, item + 3u * THREADS);
        store_half(row_of(group, item), o4_of(group, item), a);
        store_half(row_of(group, item + THREADS), o4_of(group, item), b);
        store_half(row_of(group, item + 2u * THREADS), o4_of(group, item), c);
        store_half(row_of(group, item + 3u * THREADS), o4_of(group, item), d);
    }
}
