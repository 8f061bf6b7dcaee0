// Matrix units of 16 x 16 x 16, as NVIDIA's. Their tiles are of vectors, so that the driver knows of
// the alignment and moves more than one value at a time.
enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 16u;
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

// Values to an element of the tiles.
const UNIT: u32 = 4u;
var<workgroup> tile_x: array<vec4<f16>, ROWS * STRIDE / UNIT>;
var<workgroup> tile_w: array<vec4<f16>, COLUMNS * STRIDE / UNIT>;
var<workgroup> tile_sums: array<vec4<f32>, ROWS * SUM_STRIDE / UNIT>;

fn put_x(at: u32, values: vec4<f16>) {
    tile_x[at / UNIT] = values;
}

fn put_w(at: u32, values: vec4<f16>) {
    tile_w[at / UNIT] = values;
}

fn put_sum(at: u32, values: vec4<f32>) {
    tile_sums[at / UNIT] = values;
}

fn get_sum(at: u32) -> vec4<f32> {
    return tile_sums[at / UNIT];
}
