// The product through workgroup memory, for GPUs: a workgroup of ACROSS x DOWN threads owns a tile of
// TALL rows x ACROSS * COLUMNS4 vec4s of outputs, and walks the inputs in steps of STEP4 vec4s. A
// thread owns blocks of 4 rows x 4 outputs, ROWS4 down and COLUMNS4 across, DOWN and ACROSS blocks
// apart, so that neighbours touch neighbouring memory.

override ACROSS: u32;
// A multiple of 8.
override DOWN: u32;
// Both 1 or 2.
override ROWS4: u32;
override COLUMNS4: u32;
// DOWN / 4, which makes a thread bring as much of the weights as its share.
override STEP4: u32;
// 4 * DOWN * ROWS4
override TALL: u32;
// 4 * STEP4 times DOWN * ROWS4, and times ACROSS * COLUMNS4.
override X_SIZE: u32;
override W_SIZE: u32;

// [4 * STEP4][DOWN * ROWS4] vec4s of four rows, in the order `x_place` gives.
var<workgroup> tile_x: array<vec4<f32>, X_SIZE>;
// [4 * STEP4][ACROSS * COLUMNS4]
var<workgroup> tile_w: array<vec4<f32>, W_SIZE>;

// Where four rows of input i of a step lie: shuffled, so that threads that write neighbouring
// inputs do not meet in a bank.
fn x_place(i: u32, rows: u32) -> u32 {
    return i * DOWN * ROWS4 + (rows ^ ((i / 4u) % 8u));
}

// Blocks in order (0, 0), (1, 0), (0, 1), (1, 1) of (down, across), four rows each.
alias Sums = array<vec4<f32>, 16>;

fn add(sums: ptr<function, Sums>, block: u32, x: vec4<f32>, w: vec4<f32>) {
    (*sums)[block] += x.x * w;
    (*sums)[block + 1u] += x.y * w;
    (*sums)[block + 2u] += x.z * w;
    (*sums)[block + 3u] += x.w * w;
}

// What a thread brings into the tiles for a step: four inputs of four rows, if there are as many for
// it, and a vec4 of the weights of each block across.
struct Fetched {
    x0: Raw,
    x1: Raw,
    x2: Raw,
    x3: Raw,
    w0: vec4<f32>,
    w1: vec4<f32>,
}

fn fetch_weight(group: vec2<u32>, step4: u32, item: u32) -> vec4<f32> {
    let i = min(4u * step4 + item / (ACROSS * COLUMNS4), 4u * INPUTS4 - 1u);
    let o4 = min(group.x * ACROSS * COLUMNS4 + item % (ACROSS * COLUMNS4), OUTPUTS4 - 1u);
    return weight(i * OUTPUTS4 + o4);
}

fn fetch_step(group: vec2<u32>, thread: u32, step4: u32) -> Fetched {
    var fetched: Fetched;
    if thread < X_SIZE / 4u {
        // Rows beyond the last repeat it, and are not stored.
        let last = params.rows - 1u;
        let row = group.y * TALL + 4u * (thread / STEP4);
        let at = min(step4 + thread % STEP4, INPUTS4 - 1u);
        fetched.x0 = fetch(min(row, last), at);
        fetched.x1 = fetch(min(row + 1u, last), at);
        fetched.x2 = fetch(min(row + 2u, last), at);
        fetched.x3 = fetch(min(row + 3u, last), at);
    }
    fetched.w0 = fetch_weight(group, step4, thread);
    if COLUMNS4 == 2u {
        fetched.w1 = fetch_weight(group, step4, thread + ACROSS * DOWN);
    }
    return fetched;
}

fn put_step(thread: u32, step4: u32, fetched: Fetched) {
    if thread < X_SIZE / 4u {
        // Beyond the last input x is zero, whatever stands there in memory.
        let inside = step4 + thread % STEP4 < INPUTS4;
        let x0 = select(vec4<f32>(), unpack(fetched.x0), inside);
        let x1 = select(vec4<f32>(), unpack(fetched.x1), inside);
        let x2 = select(vec4<f32>(), unpack(fetched.x2), inside);
        let x3 = select(vec4<f32>(), unpack(fetched.x3), inside);
        let i = 4u * (thread % STEP4);
        let rows = thread / STEP4;
        tile_x[x_place(i, rows)] = vec4<f32>(x0.x, x1.x, x2.x, x3.x);
        tile_x[x_place(i + 1u, rows)] = vec4<f32>(x0.y, x1.y, x2.y, x3.y);
        tile_x[x_place(i + 2u, rows)] = vec4<f32>(x0.z, x1.z, x2.z, x3.z);
        tile_x[x_place(i + 3u, rows)] = vec4<f32>(x0.w, x1.w, x2.w, x3.w);
    }
    tile_w[thread] = fetched.w0;
    if COLUMNS4 == 2u {
        tile_w[thread + ACROSS * DOWN] = fetched.w1;
    }
}

fn product(group: vec2<u32>, local: vec2<u32>) -> Sums {
    var sums: Sums;
    let thread = local.y * ACROSS + local.x;
    var fetched = fetch_step(group, thread, 0u);
    for (var step4 = 0u; step4 < INPUTS4; step4 += STEP4) {
        put_step(thread, step4, fetched);
        workgroupBarrier();
        // The next step's values are under way while this one's are multiplied.
        if step4 + STEP4 < INPUTS4 {
            fetched = fetch_step(group, thread, step4 + STEP4);
        }
        for (var i = 0u; i < 4u * STEP4; i++) {
            let from_w = i * ACROSS * COLUMNS4 + local.x;
            let x = tile_x[x_place(i, local.y)];
            let w = tile_w[from_w];
            add(&sums, 0u, x, w);
            if ROWS4 == 2u {
                let below = tile_x[x_place(i, local.y + DOWN)];
                add(&sums, 4u, below, w);
                if COLUMNS4 == 2u {
                    add(&sums, 12u, below, tile_w[from_w + ACROSS]);
                }
            }
            if COLUMNS4 == 2u {
                add(&sums, 8u, x, tile_w[from_w + ACROSS]);
            }
        }
        workgroupBarrier();
    }
    return sums;
}

// A thread's first row and first vec4 of outputs.
fn place(group: vec2<u32>, local: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(
        group.y * TALL + 4u * local.y,
        group.x * ACROSS * COLUMNS4 + local.x,
    );
}

// Loops over sums are written out: compilers that do not unroll them would keep the sums in memory.
fn finish_block(sums: ptr<function, Sums>, block: u32, row: u32, o4: u32) {
    (*sums)[block] = finished(row, o4, (*sums)[block]);
    (*sums)[block + 1u] = finished(row + 1u, o4, (*sums)[block + 1u]);
    (*sums)[block + 2u] = finished(row + 2u, o4, (*sums)[block + 2u]);
    (*sums)[block + 3u] = finished(row + 3u, o4, (*sums)[block + 3u]);
}

fn finish_all(sums: ptr<function, Sums>, at: vec2<u32>) {
    finish_block(sums, 0u, at.x, at.y);
    if ROWS4 == 2u {
        finish_block(sums, 4u, at.x + 4u * DOWN, at.y);
    }
    if COLUMNS4 == 2u {
        finish_block(sums, 8u, at.x, at.y + ACROSS);
        if ROWS4 == 2u {
            finish_block(sums, 12u, at.x + 4u * DOWN, at.y + ACROSS);
        }
    }
}
