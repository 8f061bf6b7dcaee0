// The product on matrix units, f16 x f16 summed in f32: a workgroup of eight subgroups owns a tile of
// ROWS rows x COLUMNS outputs, a subgroup four matrices of it, one below the other. Inputs pass
// through workgroup memory in steps of STEP. Weights come straight from memory, by way of the
// caches: the less workgroup memory is taken, the more the caches hold.
// Weights [BLOCKS_DOWN, BLOCKS_ACROSS] matrices of SIDE outputs x SIDE inputs as f16, padded with
// zeros to whole steps of inputs.

const THREADS: u32 = 256u;
// Of every adapter with such units.
const SUBGROUP: u32 = 32u;
const ROWS: u32 = 4u * SIDE;
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

struct Sums {
    a: Sum,
    b: Sum,
    c: Sum,
    d: Sum,
}

fn nothing() -> Sums {
    return Sums(Sum(), Sum(), Sum(), Sum());
}

// Of each of the tile's rows.
var<workgroup> factors: array<f32, ROWS>;

// The rows of the tile that a thread brings; the second only where the tile has as many.
fn brought(thread: u32) -> vec2<u32> {
    return vec2<u32>(thread / STEP4, thread / STEP4 + AT_ONCE);
}

fn clamped(group: vec2<u32>, row: u32) -> u32 {
    return min(group.y * ROWS + row, params.rows - 1u);
}

struct Fetched {
    a: Raw,
    b: Raw,
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
    return fetched;
}

// Adds the products of rows multiplied with `units` to `sums`. Gives the largest magnitudes of the
// rows that the thread brought, where `put_x` tells them.
fn walk(group: vec2<u32>, thread: u32, units: vec2<f32>, sums: ptr<function, Kept>) -> vec2<u32> {
    var largest = vec2<u32>();
    let rows = brought(thread);
    let column = min(group.x * COLUMNS / SIDE + thread / SUBGROUP, BLOCKS_DOWN - 1u);
    var fetched = fetch_step(group, thread, 0u);
    for (var step4 = 0u; step4 < INPUTS4; step4 += STEP4) {
        // Beyond the last input x is zero, whatever stands there in memory.
        let i4 = thread % STEP4;
        let inside = step4 + i4 < INPUTS4;
        let a = select(vec4<f32>(), unpack(fetched.a), inside);
        largest.x = max(largest.x, put_x(rows.x * STRIDE + 4u * i4, a, units.x));
        if ROWS > AT_ONCE {
            let b = select(vec4<f32>(), unpack(fetched.b), inside);
            largest.y = max(largest.y, put_x(rows.y * STRIDE + 4u * i4, b, units.y));
        }
        workgroupBarrier();
        // The next step's values are under way while this one's are multiplied.
        if step4 + STEP4 < INPUTS4 {
            fetched = fetch_step(group, thread, step4 + STEP4);
        }
        // Written out: compilers that do not unroll a loop here keep more in registers.
        let matrix = column * BLOCKS_ACROSS + 4u * step4 / SIDE;
        multiply(sums, 0u, matrix);
        if STEP > SIDE {
            multiply(sums, SIDE, matrix + 1u);
        }
        if STEP > 2u * SIDE {
            multiply(sums, 2u * SIDE, matrix + 2u);
            multiply(sums, 3u * SIDE, matrix + 3u);
        }
        workgroupBarrier();
    }
    return largest;
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
    store_strip(group.xy, thread, 0u, s.a, b);
    store_strip(group.xy, thread, 1u, s.b, b);
    store_strip(group.xy, thread, 2u, s.c, b);
    store_strip(group.xy, thread, 3u, s.d, b);
}
