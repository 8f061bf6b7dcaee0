// Inputs in steps of STEP through workgroup memory: a subgroup owns DOWN matrices, one below the
// other.

const ROWS: u32 = DOWN * SIDE;
const STEP4: u32 = STEP / 4u;
// Rows of a step that the workgroup brings at once.
const AT_ONCE: u32 = THREADS / STEP4;
// A row of the tile [ROWS][STEP] is padded as well.
const STRIDE: u32 = STEP + 8u;
const X_VECTORS: u32 = TILES * ROWS * STRIDE / 4u;
// From a matrix of rows to the next one below.
const BELOW: u32 = SIDE * STRIDE;

// The rows of the tile that a thread brings, as many of the four as the tile has.
fn brought(thread: u32) -> vec4<u32> {
    return vec4<u32>(thread / STEP4) + AT_ONCE * vec4<u32>(0u, 1u, 2u, 3u);
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

// After the first.
fn next_strip(group: vec2<u32>, thread: u32, down: u32, sum: Sum, b: vec4<f32>) {
    workgroupBarrier();
    store_strip(group, thread, down, sum, b);
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
    store_strips(group.xy, thread, s, bias_of(group.xy, thread));
}
