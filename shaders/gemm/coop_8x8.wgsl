// Cooperative matrices of 8 x 8 x 8, as Apple has them.
// These load only from arrays of single values.
// needs: LHS_STRIDE, STRIP_STRIDE, LHS_PARTS, TILE_M
// gives: SIDE, LhsMatrix, RhsMatrix, Accumulator, store_lhs, lhs_matrix, rhs_matrix
// gives: store_accumulator, stored_sums

enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 8u;
alias LhsMatrix = coop_mat8x8<f16, A>;
alias RhsMatrix = coop_mat8x8<f16, B>;
alias Accumulator = coop_mat8x8<f32, C>;

@group(0) @binding(1) var<storage, read> weights: array<f16>;

var<workgroup> lhs_tile: array<f16, LHS_PARTS * TILE_M * LHS_STRIDE>;
var<workgroup> strip_tile: array<f32, SIDE * STRIP_STRIDE>;

fn store_lhs(at: u32, x: vec4<f16>) {
    lhs_tile[at] = x.x;
    lhs_tile[at + 1u] = x.y;
    lhs_tile[at + 2u] = x.z;
    lhs_tile[at + 3u] = x.w;
}

fn lhs_matrix(at: u32) -> LhsMatrix {
    return coopLoadT<LhsMatrix>(&lhs_tile[at], LHS_STRIDE);
}

fn rhs_matrix(matrix: u32) -> RhsMatrix {
    return coopLoad<RhsMatrix>(&weights[matrix * SIDE * SIDE], SIDE);
}

fn store_accumulator(sum: Accumulator, at: u32) {
    coopStoreT(sum, &strip_tile[at], STRIP_STRIDE);
}

fn stored_sums(at: u32) -> vec4<f32> {
    return vec4<f32>(strip_tile[at], strip_tile[at + 1u], strip_tile[at + 2u], strip_tile[at + 3u]);
}
