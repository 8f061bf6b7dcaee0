// A register-blocked tiling without workgroup memory or barriers, for software adapters: a thread
// owns TILE_M rows x 4 outputs. Neighbouring threads take neighbouring outputs.
// needs: params, INPUTS4, OUTPUTS4, load_rhs, load_lhs, lhs_values, finished, store

const TILE_M: u32 = 12u;

override WORKGROUP: u32;

fn gemm_tile(first_row: u32, o4: u32) -> array<vec4<f32>, TILE_M> {
    var sums: array<vec4<f32>, TILE_M>;
    let last = params.rows - 1u;
    for (var i4 = 0u; i4 < INPUTS4; i4++) {
        let at = 4u * i4 * OUTPUTS4 + o4;
        let w0 = load_rhs(at);
        let w1 = load_rhs(at + OUTPUTS4);
        let w2 = load_rhs(at + 2u * OUTPUTS4);
        let w3 = load_rhs(at + 3u * OUTPUTS4);
        for (var r = 0u; r < TILE_M; r++) {
            // Rows beyond the last repeat it, and are not stored.
            let x = lhs_values(load_lhs(min(first_row + r, last), i4));
            sums[r] += w0 * x.x + w1 * x.y + w2 * x.z + w3 * x.w;
        }
    }
    return sums;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let o4 = id.x % OUTPUTS4;
    let row = id.x / OUTPUTS4 * TILE_M;
    if row >= params.rows {
        return;
    }
    var sums = gemm_tile(row, o4);
    for (var r = 0u; r < TILE_M; r++) {
        store(row + r, o4, finished(row + r, o4, sums[r]));
    }
}
