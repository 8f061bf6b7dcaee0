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

// Where four rows of the first of four inputs lie: shuffled, so that threads that write
// neighbouring inputs do not meet in a bank.
fn x_place(i4: u32, rows: u32) -> u32 {
    return 4u * i4 * DOWN * ROWS4 + (rows ^ (i4 % 8u));
}

// Blocks in order (0, 0), (1, 0), (0, 1), (1, 1) of (down, across), four rows each.
alias Sums = array<vec4<f32>, 16>;

fn add(sums: ptr<function, Sums>, block: u32, x: vec4<f32>, w: vec4<f32>) {
    (*sums)[block] += x.x * w;
    (*sums)[block + 1u] += x.y * w;
    (*sums)[block + 2u] += x.z * w;
    (*sums)[block + 3u] += x.w * w;
}

// One input's part of all sums.
fn add_all(sums: ptr<function, Sums>, from_x: u32, below_x: u32, from_w: u32) {
    let x = tile_x[from_x];
    let w = tile_w[from_w];
    add(sums, 0u, x, w);
    if ROWS4 == 2u {
        let below = tile_x[below_x];
        add(sums, 4u, below, w);
        if COLUMNS4 == 2u {
            add(sums, 12u, below, tile_w[from_w + ACROSS]);
        }
    }
    if COLUMNS4 == 2u {
        add(sums, 8u, x, tile_w[from_w + ACROSS]);
    }
}

fn product(group: vec2<u32>, local: vec2<u32>) -> Sums {
    var sums: Sums;
    let thread = local.y * ACROSS + local.x;
    let last = params.rows - 1u;
    for (var step4 = 0u; step4 < INPUTS4; step4 += STEP4) {
        for (var item = thread; item < X_SIZE / 4u; item += ACROSS * DOWN) {
            let i4 = step4 + item % STEP4;
            let rows = item / STEP4;
            let row = group.y * TALL + 4u * rows;
            // Beyond the last input both factors are zero, whatever stands there in memory.
            let inside = i4 < INPUTS4;
            let at = min(i4, INPUTS4 - 1u);
            // Rows beyond the last repeat it, and are not stored.
            let x0 = select(vec4<f32>(), load(min(row, last), at), inside);
            let x1 = select(vec4<f32>(), load(min(row + 1u, last), at), inside);
            let x2 = select(vec4<f32>(), load(min(row + 2u, last), at), inside);
            let x3 = select(vec4<f32>(), load(min(row + 3u, last), at), inside);
            let to = x_place(item % STEP4, rows);
            tile_x[to] = vec4<f32>(x0.x, x1.x, x2.x, x3.x);
            tile_x[to + DOWN * ROWS4] = vec4<f32>(x0.y, x1.y, x2.y, x3.y);
            tile_x[to + 2u * DOWN * ROWS4] = vec4<f32>(x0.z, x1.z, x2.z, x3.z);
            tile_x[to + 3u * DOWN * ROWS4] = vec4<f32>(x0.w, x1.w, x2.w, x3.w);
        }
        for (var item = thread; item < W_SIZE; item += ACROSS * DOWN) {
            let i = min(4u * step4 + item / (ACROSS * COLUMNS4), 4u * INPUTS4 - 1u);
            let o4 = min(group.x * ACROSS * COLUMNS4 + item % (ACROSS * COLUMNS4), OUTPUTS4 - 1u);
            tile_w[item] = weight(i * OUTPUTS4 + o4);
        }
        workgroupBarrier();
        for (var i4 = 0u; i4 < STEP4; i4++) {
            let x = x_place(i4, local.y);
            let below = x_place(i4, local.y + DOWN);
            let w = 4u * i4 * ACROSS * COLUMNS4 + local.x;
            // Four inputs at a time, whose places differ by constants.
            add_all(&sums, x, below, w);
            add_all(&sums, x + DOWN * ROWS4, below + DOWN * ROWS4, w + ACROSS * COLUMNS4);
            add_all(&sums, x + 2u * DOWN * ROWS4, below + 2u * DOWN * ROWS4,
                w + 2u * ACROSS * COLUMNS4);
            add_all(&sums, x + 3u * DOWN * ROWS4, below + 3u * DOWN * ROWS4,
                w + 3u * ACROSS * COLUMNS4);
        }
        workgroupBarrier();
    }
    return sums;
}

// The row and the vec4 of outputs that sum number `sum` of a thread belongs to.
fn place(group: vec2<u32>, local: vec2<u32>, sum: u32) -> vec2<u32> {
    let down = (sum / 4u) % 2u;
    let across = sum / 8u;
    return vec2<u32>(
        group.y * TALL + 4u * (down * DOWN + local.y) + sum % 4u,
        group.x * ACROSS * COLUMNS4 + across * ACROSS + local.x,
    );
}

// Whether this shape has that sum at all.
fn owned(sum: u32) -> bool {
    return (sum / 4u) % 2u < ROWS4 && sum / 8u < COLUMNS4;
}

@compute @workgroup_size(ACROSS, DOWN)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    var sums = product(group.xy, local.xy);
    for (var sum = 0u; sum < 16u; sum++) {
        if owned(sum) {
            let at = place(group.xy, local.xy, sum);
            store_padded(at.x, at.y, sums[sum]);
        }
    }
}

@compute @workgroup_size(ACROSS, DOWN)
fn main_ragged(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    var sums = product(group.xy, local.xy);
    for (var sum = 0u; sum < 16u; sum++) {
        if owned(sum) {
            let at = place(group.xy, local.xy, sum);
            store_ragged(at.x, at.y, sums[sum]);
        }
    }
}

@compute @workgroup_size(ACROSS, DOWN)
fn main_half(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    var sums = product(group.xy, local.xy);
    for (var sum = 0u; sum < 16u; sum++) {
        if owned(sum) {
            let at = place(group.xy, local.xy, sum);
            store_half(at.x, at.y, sums[sum]);
        }
    }
}
