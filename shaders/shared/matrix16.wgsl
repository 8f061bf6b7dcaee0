// Matrix units of 16 x 16 x 16, as NVIDIA's. Tiles are of vectors, which move faster than values.
enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 16u;
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

var<workgroup> tile_x: array<vec4<f16>, ROWS * STRIDE / 4u>;
var<workgroup> tile_w: array<vec4<f16>, COLUMNS * STRIDE / 4u>;
var<workgroup> tile_sums: array<vec4<f32>, 4u * SIDE * STRIP / 4u>;

fn put_x(at: u32, octet: Octet) {
    tile_x[at / 4u] = octet.a;
    tile_x[at / 4u + 1u] = octet.b;
}

fn put_w(at: u32, octet: Octet) {
    tile_w[at / 4u] = octet.a;
    tile_w[at / 4u + 1u] = octet.b;
}

fn left(at: u32) -> Left {
    return coopLoadT<Left>(&tile_x[at / 4u], STRIDE / 4u);
}

fn right(at: u32) -> Right {
    return coopLoad<Right>(&tile_w[at / 4u], STRIDE / 4u);
}

fn keep(sum: Sum, at: u32) {
    coopStoreT(sum, &tile_sums[at / 4u], STRIP / 4u);
}

fn get_sum(at: u32) -> vec4<f32> {
    return tile_sums[at / 4u];
}
