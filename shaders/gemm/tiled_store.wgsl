// The end of a tiled GEMM: each thread stores its blocks.
// needs: THREADS_N, THREADS_M, BLOCKS_M, BLOCKS_N, gemm_tile, tile_origin, finish_all, store

fn store_block(row: u32, o4: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    store(row, o4, a);
    store(row + 1u, o4, b);
    store(row + 2u, o4, c);
    store(row + 3u, o4, d);
}

@compute @workgroup_size(THREADS_N, THREADS_M)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    var s = gemm_tile(group.xy, local.xy);
    let at = tile_origin(group.xy, local.xy);
    finish_all(&s, at);
    store_block(at.x, at.y, s[0], s[1], s[2], s[3]);
    if BLOCKS_M == 2u {
        store_block(at.x + 4u * THREADS_M, at.y, s[4], s[5], s[6], s[7]);
    }
    if BLOCKS_N == 2u {
        store_block(at.x, at.y + THREADS_N, s[8], s[9], s[10], s[11]);
        if BLOCKS_M == 2u {
            store_block(at.x + 4u * THREADS_M, at.y + THREADS_N, s[12], s[13], s[14], s[15]);
        }
    }
}
