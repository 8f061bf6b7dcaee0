// The end of a tiled GEMM: each thread stores its blocks.
// needs: THREADS_N, THREADS_M, BLOCKS_M, BLOCKS_N, gemm_tile, first_output, finish_all, store
// needs: Tile, find_tile, stored_row

// Stores a block that begins at row `i` of the tile.
fn store_block(tile: Tile, i: u32, o4: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    store(stored_row(tile, i), o4, a);
    store(stored_row(tile, i + 1u), o4, b);
    store(stored_row(tile, i + 2u), o4, c);
    store(stored_row(tile, i + 3u), o4, d);
}

@compute @workgroup_size(THREADS_N, THREADS_M)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tile = find_tile(group.xy);
    if tile.first >= tile.end {
        return;
    }
    var s = gemm_tile(tile, local.xy);
    finish_all(&s, tile, local.xy);
    let row = 4u * local.y;
    let o4 = first_output(tile, local.xy);
    store_block(tile, row, o4, s[0], s[1], s[2], s[3]);
    if BLOCKS_M == 2u {
        store_block(tile, row + 4u * THREADS_M, o4, s[4], s[5], s[6], s[7]);
    }
    if BLOCKS_N == 2u {
        store_block(tile, row, o4 + THREADS_N, s[8], s[9], s[10], s[11]);
        if BLOCKS_M == 2u {
            store_block(tile, row + 4u * THREADS_M, o4 + THREADS_N, s[12], s[13], s[14], s[15]);
        }
    }
}
