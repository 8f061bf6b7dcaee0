// A register-blocked tiling without workgroup memory or barriers, for software adapters: a thread
// owns TILE_M rows x 4 outputs. Neighbouring threads take neighbouring outputs.
// needs: INPUTS4, OUTPUTS4, load_rhs, load_lhs, lhs_values, finished, store
// needs: Tile, FIRST_REGION, find_tile, loaded_row, stored_row
// gives: TILE_M

const TILE_M: u32 = 12u;

override WORKGROUP: u32;

fn gemm_tile(tile: Tile, o4: u32) -> array<vec4<f32>, TILE_M> {
    var sums: array<vec4<f32>, TILE_M>;
    let first = 4u * (tile.region - FIRST_REGION) * INPUTS4 * OUTPUTS4 + o4;
    for (var i4 = 0u; i4 < INPUTS4; i4++) {
        let at = first + 4u * i4 * OUTPUTS4;
        let w0 = load_rhs(at);
        let w1 = load_rhs(at + OUTPUTS4);
        let w2 = load_rhs(at + 2u * OUTPUTS4);
        let w3 = load_rhs(at + 3u * OUTPUTS4);
        for (var r = 0u; r < TILE_M; r++) {
            // Not out of an array: with wgpu's checks the loop would not be unrolled, and count.
            let x = lhs_values(load_lhs(tile.region, loaded_row(tile, r), i4));
            sums[r] += w0 * x.x + w1 * x.y + w2 * x.z + w3 * x.w;
        }
    }
    return sums;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let o4 = id.x % OUTPUTS4;
    let tile = find_tile(vec2<u32>(0u, id.x / OUTPUTS4));
    if tile.first >= tile.end {
        return;
    }
    var sums = gemm_tile(tile, o4);
    for (var r = 0u; r < TILE_M; r++) {
        store(stored_row(tile, r), o4, finished(tile.region, loaded_row(tile, r), o4, sums[r]));
    }
}
