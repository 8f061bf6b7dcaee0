// Matrix units of 8 x 8 x 8, as Apple's, which load from arrays of values.
enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 8u;
alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sum = coop_mat8x8<f32, C>;

@group(0) @binding(1) var<storage, read> weights: array<f16>;

var<workgroup> tile_x: array<f16, TILES * ROWS * STRIDE>;
var<workgroup> tile_sums: array<f32, SIDE * STRIP>;

fn put(at: u32, x: vec4<f16>) {
    tile_x[at] = x.x;
    tile_x[at + 1u] = x.y;
    tile_x[at + 2u] = x.z;
    tile_x[at + 3u] = x.w;
}

fn left(at: u32) -> Left {
    return coopLoadT<Left>(&tile_x[at], STRIDE);
}

fn right(matrix: u32) -> Right {
    return coopLoad<Right>(&weights[matrix * SIDE * SIDE], SIDE);
}

fn keep(sum: Sum, at: u32) {
    coopStoreT(sum, &tile_sums[at], STRIP);
}

fn kept(at: u32) -> vec4<f32> {
    return vec4<f32>(tile_sums[at], tile_sums[at + 1u], tile_sums[at + 2u], tile_sums[at + 3u]);
}
