// The end of a tiled GEMM whose tile holds all latents of a row. Latents are quantised out of
// registers.
// needs: THREADS_N, THREADS_M, BLOCKS_M, BLOCKS_N, TILE_M, gemm_tile, first_output, finish_all
// needs: Tile, find_tile, stored_row, magnitude, scale_of, store_codes

// The largest magnitude of each row of the tile.
var<workgroup> largest: array<atomic<u32>, TILE_M>;

// Outputs beyond the last repeat it, and change no maximum.
fn measure_block(row: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    atomicMax(&largest[row], magnitude(a));
    atomicMax(&largest[row + 1u], magnitude(b));
    atomicMax(&largest[row + 2u], magnitude(c));
    atomicMax(&largest[row + 3u], magnitude(d));
}

fn quantize_row(tile: Tile, row: u32, o4: u32, z: vec4<f32>) {
    store_codes(stored_row(tile, row), o4, z, scale_of(atomicLoad(&largest[row])));
}

fn quantize_block(tile: Tile, row: u32, o4: u32,
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    quantize_row(tile, row, o4, a);
    quantize_row(tile, row + 1u, o4, b);
    quantize_row(tile, row + 2u, o4, c);
    quantize_row(tile, row + 3u, o4, d);
}

@compute @workgroup_size(THREADS_N, THREADS_M)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    for (var row = local.y * THREADS_N + local.x; row < TILE_M; row += THREADS_N * THREADS_M) {
        atomicStore(&largest[row], 0u);
    }
    // The barriers in there separate these zeros from the maxima below.
    let tile = find_tile(group.xy);
    var s = gemm_tile(tile, local.xy);
    finish_all(&s, tile, local.xy);
    let o4 = first_output(tile, local.xy);
    let row = 4u * local.y;
    let below = row + 4u * THREADS_M;
    measure_block(row, s[0], s[1], s[2], s[3]);
    if BLOCKS_M == 2u {
        measure_block(below, s[4], s[5], s[6], s[7]);
    }
    if BLOCKS_N == 2u {
        measure_block(row, s[8], s[9], s[10], s[11]);
        if BLOCKS_M == 2u {
            measure_block(below, s[12], s[13], s[14], s[15]);
        }
    }
    workgroupBarrier();
    quantize_block(tile, row, o4, s[0], s[1], s[2], s[3]);
    if BLOCKS_M == 2u {
        quantize_block(tile, below, o4, s[4], s[5], s[6], s[7]);
    }
    if BLOCKS_N == 2u {
        quantize_block(tile, row, o4 + THREADS_N, s[8], s[9], s[10], s[11]);
        if BLOCKS_M == 2u {
            quantize_block(tile, below, o4 + THREADS_N, s[12], s[13], s[14], s[15]);
        }
    }
}
