// Cooperative matrices of 16 x 16 x 16, as NVIDIA has them.
// Tiles are arrays of vectors, which move faster than single values.
// needs: LHS_STRIDE, STRIP_STRIDE, LHS_TILE_VECTORS
// gives: SIDE, LhsMatrix, RhsMatrix, Accumulator, store_lhs, lhs_matrix, rhs_matrix
// gives: store_accumulator, stored_sums

enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 16u;
alias LhsMatrix = coop_mat16x16<f16, A>;
alias RhsMatrix = coop_mat16x16<f16, B>;
alias Accumulator = coop_mat16x16<f32, C>;

@group(0) @binding(1) var<storage, read> weights: array<vec4<f16>>;

var<workgroup> lhs_tile: array<vec4<f16>, LHS_TILE_VECTORS>;
var<workgroup> strip_tile: array<vec4<f32>, SIDE * STRIP_STRIDE / 4u>;

fn store_lhs(at: u32, x: vec4<f16>) {
    lhs_tile[at / 4u] = x;
}

fn lhs_matrix(at: u32) -> LhsMatrix {
    return coopLoadT<LhsMatrix>(&lhs_tile[at / 4u], LHS_STRIDE / 4u);
}

fn rhs_matrix(matrix: u32) -> RhsMatrix {
    return coopLoad<RhsMatrix>(&weights[matrix * SIDE * SIDE / 4u], SIDE / 4u);
}

fn store_accumulator(sum: Accumulator, at: u32) {
    coopStoreT(sum, &strip_tile[at / 4u], STRIP_STRIDE / 4u);
}

fn stored_sums(at: u32) -> vec4<f32> {
    return strip_tile[at / 4u];
}
