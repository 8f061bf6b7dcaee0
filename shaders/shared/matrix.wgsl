// The product on matrix units, f16 x f16 summed in f32: a workgroup of eight subgroups owns a tile of
// ROWS rows x COLUMNS outputs, a subgroup DOWN matrices of it, one below the other. Inputs pass
// through workgroup memory in steps of STEP. Weights come straight from memory, by way of the
// caches: the less workgroup memory is taken, the more the caches hold.
// Weights [BLOCKS_DOWN, BLOCKS_ACROSS] matrices of SIDE outputs x SIDE inputs as f16, padded with
// zeros to whole steps of inputs.

const THREADS: u32 = 256u;
// Of every adapter with such units.
const SUBGROUP: u32 = 32u;
const ROWS: u32 = DOWN * SIDE;
const COLUMNS: u32 = 8u * SIDE;
const WIDE4: u32 = COLUMNS / 4u;
const STEP4: u32 = STEP / 4u;
// Rows of a step that the workgroup brings at once.
const AT_ONCE: u32 = THREADS / STEP4;
// Rows of the tiles [ROWS][STEP] and [SIDE][COLUMNS] are padded, or all would begin in the same bank.
const STRIDE: u32 = STEP + 8u;
const STRIP: u32 = COLUMNS + 4u;
// From a matrix of rows to the next one below.
const BELOW: u32 = SIDE * STRIDE;
override BLOCKS_DOWN: u32;
override BLOCKS_ACROSS: u32;

// Of each of the tile's rows.
var<workgroup> factors: array<f32, ROWS>;

// The rows of the tile that a thread brings, as many of the four as the tile has.
fn brought(thread: u32) -> vec4<u32> {
    return vec4<u32>(thread / STEP4) + AT_ONCE * vec4<u32>(0u, 1u, 2u, 3u);
}

fn clamped(group: vec2<u32>, row: u32) -> u32 {
    return min(group.y * ROWS + row, params.rows - 1u);
}

struct Fetched {
    a: Raw,
    b: Raw,
    c: Raw,
    d: Raw,
}

// Rows beyond the last repeat it, and are not stored.
fn fetch_step(group: vec2<u32>, thread: u32, step4: u32) -> Fetched {
    var fetched: Fetched;
    let rows = brought(thread);
    let at = min(step4 + thread % STEP4, INPUTS4 - 1u);
    fetched.a = fetch(clamped(group, rows.x), at);
    if ROWS > AT_ONCE {
        fetched.b = fetch(clamped(group, rows.y), at);
    }
    if ROWS > 2u * AT_ONCE {
        fetched.c = fetch(clamped(group, rows.z), at);
        fetched.d = fetch(clamped(group, rows.w), at);
    }
    return fetched;
}

// The first of the weights' matrices for a thread's subgroup; those of further inputs follow it.
fn first_matrix(group: vec2<u32>, thread: u32) -> u32 {
    return min(group.x * COLUMNS / SIDE + thread / SUBGROUP, BLOCKS_DOWN - 1u) * BLOCKS_ACROSS;
}

// The sums pass through workgroup memory, since what lies where in a matrix is the driver's choice:
// the tile's next SIDE rows.
fn strip(thread: u32, sum: Sum) {
    workgroupBarrier();
    keep(sum, thread / SUBGROUP * SIDE);
    workgroupBarrier();
}

// Vec4 number `item` of strip number `down`.
fn strip_value(down: u32, item: u32, b: vec4<f32>) -> vec4<f32> {
    let row = down * SIDE + item / WIDE4;
    let sum = kept(item / WIDE4 * STRIP + 4u * (item % WIDE4));
    return finish(rescaled(sum, row), factors[row], b);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    // Under way during the product, so that no strip waits for it.
    let of_row = factor(clamped(group.xy, thread % ROWS));
    let s = product(group.xy, thread);
    if thread < ROWS {
        factors[thread] = of_row;
    }
    // A thread's outputs are the same in all strips.
    let b = bias[min(group.x * WIDE4 + thread % WIDE4, OUTPUTS4 - 1u)];
    store_strips(group.xy, thread, s, b);
}
