// The product on matrix units, f16 x f16 summed in f32: a workgroup of four subgroups owns a tile
// of ROWS rows x COLUMNS outputs, a subgroup 2 x 4 matrices of it, and walks the inputs in steps of
// STEP. The sums pass through workgroup memory, since what lies where in a matrix is the driver's
// choice; two matrices of a subgroup at a time, so that the memory is little and workgroups are many.
// Weights [4 * OUTPUTS4, 8 * INPUTS8] as f16, padded with zeros.

const THREADS: u32 = 128u;
// Of every adapter with such units.
const SUBGROUP: u32 = 32u;
const ROWS: u32 = 4u * SIDE;
const COLUMNS: u32 = 8u * SIDE;
// Makes a thread bring eight values of a row, and of two outputs' weights.
const STEP: u32 = 256u / SIDE;
const STEP8: u32 = STEP / 8u;
const WIDE4: u32 = COLUMNS / 4u;
// Rows of the tiles [ROWS][STEP] and [COLUMNS][STEP] are padded, or all would begin in the same
// bank, and so are those of a strip of two matrices [SIDE][2 * SIDE].
const STRIDE: u32 = STEP + 8u;
const STRIP: u32 = 2u * SIDE + 4u;
// Vec4s in a row of a strip, and the rows that a subgroup reads at once.
const STRIP4: u32 = SIDE / 2u;
const AT_ONCE: u32 = SUBGROUP / STRIP4;
// INPUTS4 / 2, rounded up.
override INPUTS8: u32;

// Eight values, 16 bytes.
struct Octet {
    a: vec4<f16>,
    b: vec4<f16>,
}

@group(0) @binding(1) var<storage, read> weights: array<Octet>;

// What a thread brings into the tiles for a step. All loads are under way before one is waited for.
struct Fetched {
    x0: Raw,
    x1: Raw,
    w0: Octet,
    w1: Octet,
}

// Rows and outputs beyond the last repeat it, and are not stored.
fn fetch_weights(group: vec2<u32>, item: u32, at8: u32) -> Octet {
    let output = min(group.x * COLUMNS + item / STEP8, 4u * OUTPUTS4 - 1u);
    return weights[output * INPUTS8 + at8];
}

fn fetch_step(group: vec2<u32>, thread: u32, step8: u32) -> Fetched {
    var fetched: Fetched;
    let at8 = min(step8 + thread % STEP8, INPUTS8 - 1u);
    let row = min(group.y * ROWS + thread / STEP8, params.rows - 1u);
    fetched.x0 = fetch(row, 2u * at8);
    fetched.x1 = fetch(row, min(2u * at8 + 1u, INPUTS4 - 1u));
    fetched.w0 = fetch_weights(group, thread, at8);
    fetched.w1 = fetch_weights(group, thread + THREADS, at8);
    return fetched;
}

// Beyond the last input x is zero, whatever stands there in memory.
fn octet(i4: u32, first: Raw, second: Raw) -> Octet {
    return Octet(
        vec4<f16>(select(vec4<f32>(), unpack(first), i4 < INPUTS4)),
        vec4<f16>(select(vec4<f32>(), unpack(second), i4 + 1u < INPUTS4)),
    );
}

fn put_step(thread: u32, step8: u32, fetched: Fetched) {
    let to = (thread / STEP8) * STRIDE + 8u * (thread % STEP8);
    put_x(to, octet(2u * (step8 + thread % STEP8), fetched.x0, fetched.x1));
    put_w(to, fetched.w0);
    put_w(to + (THREADS / STEP8) * STRIDE, fetched.w1);
}

// The sums of a subgroup's two rows of matrices.
struct Sums {
    s00: Sum,
    s01: Sum,
    s02: Sum,
    s03: Sum,
    s10: Sum,
    s11: Sum,
    s12: Sum,
    s13: Sum,
}

fn product(group: vec2<u32>, thread: u32) -> Sums {
    let subgroup = thread / SUBGROUP;
    let row = (subgroup / 2u) * 2u * SIDE;
    let column = (subgroup % 2u) * 4u * SIDE;
    var s = Sums(Sum(), Sum(), Sum(), Sum(), Sum(), Sum(), Sum(), Sum());
    var fetched = fetch_step(group, thread, 0u);
    for (var step8 = 0u; step8 < INPUTS8; step8 += STEP8) {
        put_step(thread, step8, fetched);
        workgroupBarrier();
        // The next step's values are under way while this one's are multiplied.
        if step8 + STEP8 < INPUTS8 {
            fetched = fetch_step(group, thread, step8 + STEP8);
        }
        for (var i = 0u; i < STEP; i += SIDE) {
            let x0 = left(row * STRIDE + i);
            let x1 = left((row + SIDE) * STRIDE + i);
            let w0 = right(column * STRIDE + i);
            s.s00 = coopMultiplyAdd(x0, w0, s.s00);
            s.s10 = coopMultiplyAdd(x1, w0, s.s10);
            let w1 = right((column + SIDE) * STRIDE + i);
            s.s01 = coopMultiplyAdd(x0, w1, s.s01);
            s.s11 = coopMultiplyAdd(x1, w1, s.s11);
            let w2 = right((column + 2u * SIDE) * STRIDE + i);
            s.s02 = coopMultiplyAdd(x0, w2, s.s02);
            s.s12 = coopMultiplyAdd(x1, w2, s.s12);
            let w3 = right((column + 3u * SIDE) * STRIDE + i);
            s.s03 = coopMultiplyAdd(x0, w3, s.s03);
            s.s13 = coopMultiplyAdd(x1, w3, s.s13);
        }
        workgroupBarrier();
    }
    return s;
}

// Two neighbours of a subgroup's matrices into its strip.
fn keep_strip(thread: u32, a: Sum, b: Sum) {
    let at = (thread / SUBGROUP) * SIDE * STRIP;
    workgroupBarrier();
    keep(a, at);
    keep(b, at + SIDE);
    workgroupBarrier();
}

// The place of a strip in the tile: which row of matrices, and which two of them.
struct Strip {
    down: u32,
    across: u32,
}

// The row and the vec4 of outputs that a thread's value number n of a strip belongs to.
fn place(group: vec3<u32>, thread: u32, strip: Strip, n: u32) -> vec2<u32> {
    let subgroup = thread / SUBGROUP;
    let lane = thread % SUBGROUP;
    return vec2<u32>(
        group.y * ROWS + ((subgroup / 2u) * 2u + strip.down) * SIDE + lane / STRIP4 + n * AT_ONCE,
        group.x * WIDE4 + (subgroup % 2u) * SIDE + strip.across * STRIP4 + lane % STRIP4,
    );
}

fn finished_value(thread: u32, at: vec2<u32>, n: u32) -> vec4<f32> {
    let lane = thread % SUBGROUP;
    let row = (thread / SUBGROUP) * SIDE + lane / STRIP4 + n * AT_ONCE;
    return finished(at.x, at.y, get_sum(row * STRIP + 4u * (lane % STRIP4)));
}

fn padded_strip(group: vec3<u32>, thread: u32, strip: Strip, a: Sum, b: Sum) {
    keep_strip(thread, a, b);
    let at0 = place(group, thread, strip, 0u);
    let z0 = finished_value(thread, at0, 0u);
    if SIDE == 16u {
        let at1 = place(group, thread, strip, 1u);
        let at2 = place(group, thread, strip, 2u);
        let at3 = place(group, thread, strip, 3u);
        let z1 = finished_value(thread, at1, 1u);
        let z2 = finished_value(thread, at2, 2u);
        let z3 = finished_value(thread, at3, 3u);
        store_padded(at1.x, at1.y, z1);
        store_padded(at2.x, at2.y, z2);
        store_padded(at3.x, at3.y, z3);
    }
    store_padded(at0.x, at0.y, z0);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let s = product(group.xy, thread);
    padded_strip(group, thread, Strip(0u, 0u), s.s00, s.s01);
    padded_strip(group, thread, Strip(0u, 1u), s.s02, s.s03);
    padded_strip(group, thread, Strip(1u, 0u), s.s10, s.s11);
    padded_strip(group, thread, Strip(1u, 1u), s.s12, s.s13);
}

fn ragged_strip(group: vec3<u32>, thread: u32, strip: Strip, a: Sum, b: Sum) {
    keep_strip(thread, a, b);
    let at0 = place(group, thread, strip, 0u);
    let z0 = finished_value(thread, at0, 0u);
    if SIDE == 16u {
        let at1 = place(group, thread, strip, 1u);
        let at2 = place(group, thread, strip, 2u);
        let at3 = place(group, thread, strip, 3u);
        let z1 = finished_value(thread, at1, 1u);
        let z2 = finished_value(thread, at2, 2u);
        let z3 = finished_value(thread, at3, 3u);
        store_ragged(at1.x, at1.y, z1);
        store_ragged(at2.x, at2.y, z2);
        store_ragged(at3.x, at3.y, z3);
    }
    store_ragged(at0.x, at0.y, z0);
}

@compute @workgroup_size(THREADS)
fn main_ragged(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let s = product(group.xy, thread);
    ragged_strip(group, thread, Strip(0u, 0u), s.s00, s.s01);
    ragged_strip(group, thread, Strip(0u, 1u), s.s02, s.s03);
    ragged_strip(group, thread, Strip(1u, 0u), s.s10, s.s11);
    ragged_strip(group, thread, Strip(1u, 1u), s.s12, s.s13);
}

fn half_strip(group: vec3<u32>, thread: u32, strip: Strip, a: Sum, b: Sum) {
    keep_strip(thread, a, b);
    let at0 = place(group, thread, strip, 0u);
    let z0 = finished_value(thread, at0, 0u);
    if SIDE == 16u {
        let at1 = place(group, thread, strip, 1u);
        let at2 = place(group, thread, strip, 2u);
        let at3 = place(group, thread, strip, 3u);
        let z1 = finished_value(thread, at1, 1u);
        let z2 = finished_value(thread, at2, 2u);
        let z3 = finished_value(thread, at3, 3u);
        store_half(at1.x, at1.y, z1);
        store_half(at2.x, at2.y, z2);
        store_half(at3.x, at3.y, z3);
    }
    store_half(at0.x, at0.y, z0);
}

@compute @workgroup_size(THREADS)
fn main_half(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let s = product(group.xy, thread);
    half_strip(group, thread, Strip(0u, 0u), s.s00, s.s01);
    half_strip(group, thread, Strip(0u, 1u), s.s02, s.s03);
    half_strip(group, thread, Strip(1u, 0u), s.s10, s.s11);
    half_strip(group, thread, Strip(1u, 1u), s.s12, s.s13);
}
