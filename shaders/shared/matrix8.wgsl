// Matrix units of 8 x 8 x 8, as Apple's, which load from arrays of values.
enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 8u;
alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sum = coop_mat8x8<f32, C>;

var<workgroup> tile_x: array<f16, ROWS * STRIDE>;
var<workgroup> tile_w: array<f16, COLUMNS * STRIDE>;
var<workgroup> tile_sums: array<f32, 4u * SIDE * STRIP>;

fn put_x(at: u32, octet: Octet) {
    tile_x[at] = octet.a.x;
    tile_x[at + 1u] = octet.a.y;
    tile_x[at + 2u] = octet.a.z;
    tile_x[at + 3u] = octet.a.w;
    tile_x[at + 4u] = octet.b.x;
    tile_x[at + 5u] = octet.b.y;
    tile_x[at + 6u] = octet.b.z;
    tile_x[at + 7u] = octet.b.w;
}

fn put_w(at: u32, octet: Octet) {
    tile_w[at] = octet.a.x;
    tile_w[at + 1u] = octet.a.y;
    tile_w[at + 2u] = octet.a.z;
    tile_w[at + 3u] = octet.a.w;
    tile_w[at + 4u] = octet.b.x;
    tile_w[at + 5u] = octet.b.y;
    tile_w[at + 6u] = octet.b.z;
    tile_w[at + 7u] = octet.b.w;
}

fn left(at: u32) -> Left {
    return coopLoadT<Left>(&tile_x[at], STRIDE);
}

fn right(at: u32) -> Right {
    return coopLoad<Right>(&tile_w[at], STRIDE);
}

fn keep(sum: Sum, at: u32) {
    coopStoreT(sum, &tile_sums[at], STRIP);
}

fn get_sum(at: u32) -> vec4<f32> {
    return vec4<f32>(tile_sums[at], tile_sums[at + 1u], tile_sums[at + 2u], tile_sums[at + 3u]);
}
