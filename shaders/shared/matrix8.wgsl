// Matrix units of 8 x 8 x 8, as Apple's. Metal loads them from arrays of values.
enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 8u;
alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sum = coop_mat8x8<f32, C>;

// Values to an element of the tiles.
const UNIT: u32 = 1u;
var<workgroup> tile_x: array<f16, ROWS * STRIDE>;
var<workgroup> tile_w: array<f16, COLUMNS * STRIDE>;
var<workgroup> tile_sums: array<f32, ROWS * SUM_STRIDE>;

fn put_x(at: u32, values: vec4<f16>) {
    tile_x[at] = values.x;
    tile_x[at + 1u] = values.y;
    tile_x[at + 2u] = values.z;
    tile_x[at + 3u] = values.w;
}

fn put_w(at: u32, values: vec4<f16>) {
    tile_w[at] = values.x;
    tile_w[at + 1u] = values.y;
    tile_w[at + 2u] = values.z;
    tile_w[at + 3u] = values.w;
}

fn put_sum(at: u32, values: vec4<f32>) {
    tile_sums[at] = values.x;
    tile_sums[at + 1u] = values.y;
    tile_sums[at + 2u] = values.z;
    tile_sums[at + 3u] = values.w;
}

fn get_sum(at: u32) -> vec4<f32> {
    return vec4<f32>(tile_sums[at], tile_sums[at + 1u], tile_sums[at + 2u], tile_sums[at + 3u]);
}
