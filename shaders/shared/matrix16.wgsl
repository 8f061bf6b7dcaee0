// Matrix units of 16 x 16 x 16, as NVIDIA's. Tiles are of vectors, which move faster than values.
enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 16u;
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

@group(0) @binding(1) var<storage, read> weights: array<vec4<f16>>;

var<workgroup> tile_x: array<vec4<f16>, X_VECTORS>;
var<workgroup> tile_sums: array<vec4<f32>, SIDE * STRIP / 4u>;

fn put(at: u32, x: vec4<f16>) {
    tile_x[at / 4u] = x;
}

fn left(at: u32) -> Left {
    return coopLoadT<Left>(&tile_x[at / 4u], STRIDE / 4u);
}

fn right(matrix: u32) -> Right {
    return coopLoad<Right>(&weights[matrix * SIDE * SIDE / 4u], SIDE / 4u);
}

fn keep(sum: Sum, at: u32) {
    coopStoreT(sum, &tile_sums[at / 4u], STRIP / 4u);
}

fn kept(at: u32) -> vec4<f32> {
    return tile_sums[at / 4u];
}
