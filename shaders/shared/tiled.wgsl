// The product through workgroup memory, for GPUs: a workgroup of 16 x 16 threads owns a tile of
// 64 rows x 64 outputs and walks the inputs in steps of STEP4 vec4s; a thread owns 4 rows x 4
// outputs of the tile.

const SIDE: u32 = 16u;
const TILE: u32 = 64u;
const STEP4: u32 = 4u;
const STEP: u32 = 4u * STEP4;

// [STEP][TILE], rows innermost, so that a thread's rows lie together.
var<workgroup> tile_x: array<f32, STEP * TILE>;
// [STEP][TILE / 4]
var<workgroup> tile_w: array<vec4<f32>, STEP * TILE / 4u>;

fn product(group: vec2<u32>, local: vec2<u32>) -> array<vec4<f32>, 4> {
    var sums: array<vec4<f32>, 4>;
    let thread = local.y * SIDE + local.x;
    // One vec4 of the input and one of the weights a thread and step.
    let x_row = min(group.y * TILE + thread % TILE, params.rows - 1u);
    let x_step = thread / TILE;
    let o4 = min(group.x * SIDE + thread % SIDE, OUTPUTS4 - 1u);
    let w_step = thread / SIDE;
    for (var step4 = 0u; step4 < INPUTS4; step4 += STEP4) {
        let i4 = step4 + x_step;
        // Beyond the last input both factors are zero, whatever stands there in memory.
        let inside = i4 < INPUTS4;
        let x = select(vec4<f32>(), load(x_row, min(i4, INPUTS4 - 1u)), inside);
        let at = (4u * x_step) * TILE + thread % TILE;
        tile_x[at] = x.x;
        tile_x[at + TILE] = x.y;
        tile_x[at + 2u * TILE] = x.z;
        tile_x[at + 3u * TILE] = x.w;
        let i = min(4u * step4 + w_step, 4u * INPUTS4 - 1u);
        tile_w[thread] = weights[i * OUTPUTS4 + o4];
        workgroupBarrier();
        for (var k = 0u; k < STEP; k++) {
            let w = tile_w[k * SIDE + local.x];
            let from_row = k * TILE + 4u * local.y;
            sums[0] += w * tile_x[from_row];
            sums[1] += w * tile_x[from_row + 1u];
            sums[2] += w * tile_x[from_row + 2u];
            sums[3] += w * tile_x[from_row + 3u];
        }
        workgroupBarrier();
    }
    return sums;
}

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    var sums = product(group.xy, local.xy);
    let row = group.y * TILE + 4u * local.y;
    let o4 = group.x * SIDE + local.x;
    for (var r = 0u; r < 4u; r++) {
        store_padded(row + r, o4, sums[r]);
    }
}

@compute @workgroup_size(SIDE, SIDE)
fn main_ragged(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    var sums = product(group.xy, local.xy);
    let row = group.y * TILE + 4u * local.y;
    let o4 = group.x * SIDE + local.x;
    for (var r = 0u; r < 4u; r++) {
        store_ragged(row + r, o4, sums[r]);
    }
}

@compute @workgroup_size(SIDE, SIDE)
fn main_half(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    var sums = product(group.xy, local.xy);
    let row = group.y * TILE + 4u * local.y;
    let o4 = group.x * SIDE + local.x;
    for (var r = 0u; r < 4u; r++) {
        store_half(row + r, o4, sums[r]);
    }
}
