// Tiles through workgroup memory, for GPUs without cooperative matrices: a workgroup of
// THREADS_N x THREADS_M threads owns a tile of TILE_M rows x 4 * THREADS_N * BLOCKS_N outputs and
// loops over the inputs in steps of 4 * TILE_K4:
//     fetch the first step into registers
//     for each step: store it into workgroup memory; barrier;
//                    fetch the next step into registers; multiply; barrier
// 1. A thread owns BLOCKS_M x BLOCKS_N blocks of 4 rows x 4 outputs. Its blocks are 4 * THREADS_M
//    rows and 4 * THREADS_N outputs apart, so that neighbouring threads touch neighbouring memory.
// 2. The next step is fetched before this one is multiplied, so that memory and arithmetic overlap.
// 3. Code over the blocks is written out: a compiler that does not unroll a loop over `sums` would
//    keep them in memory.
// needs: INPUTS4, OUTPUTS4, load_rhs, LhsRaw, load_lhs, lhs_values, finished
// needs: Tile, FIRST_REGION, loaded_row
// gives: THREADS_N, THREADS_M, BLOCKS_M, BLOCKS_N, TILE_M, gemm_tile, first_output, finish_all

override THREADS_N: u32;
// A multiple of 8.
override THREADS_M: u32;
// Both are 1 or 2.
override BLOCKS_M: u32;
override BLOCKS_N: u32;
// THREADS_M / 4, so that every thread loads an equal share of the weights.
override TILE_K4: u32;
// 4 * THREADS_M * BLOCKS_M
override TILE_M: u32;
// 4 * TILE_K4 * THREADS_M * BLOCKS_M, and 4 * TILE_K4 * THREADS_N * BLOCKS_N.
override LHS_TILE_SIZE: u32;
override RHS_TILE_SIZE: u32;

// [4 * TILE_K4][THREADS_M * BLOCKS_M] vec4s of four rows, in the order of `lhs_index`.
var<workgroup> lhs_tile: array<vec4<f32>, LHS_TILE_SIZE>;
// [4 * TILE_K4][THREADS_N * BLOCKS_N]
var<workgroup> rhs_tile: array<vec4<f32>, RHS_TILE_SIZE>;

// The index in `lhs_tile` of four rows of input i of a step. Shuffled, so that threads that write
// neighbouring inputs do not share a memory bank.
fn lhs_index(i: u32, rows: u32) -> u32 {
    return i * THREADS_M * BLOCKS_M + (rows ^ ((i / 4u) % 8u));
}

// Four rows of each block. Blocks (m, n) in the order (0, 0), (1, 0), (0, 1), (1, 1).
alias Sums = array<vec4<f32>, 16>;

fn add(sums: ptr<function, Sums>, block: u32, x: vec4<f32>, w: vec4<f32>) {
    (*sums)[block] += x.x * w;
    (*sums)[block + 1u] += x.y * w;
    (*sums)[block + 2u] += x.z * w;
    (*sums)[block + 3u] += x.w * w;
}

// What a thread loads into the tiles for a step: four inputs of four rows, if there is work for it,
// and a vec4 of weights for each of its BLOCKS_N.
struct Fetched {
    x0: LhsRaw,
    x1: LhsRaw,
    x2: LhsRaw,
    x3: LhsRaw,
    w0: vec4<f32>,
    w1: vec4<f32>,
}

fn fetch_rhs(tile: Tile, first4: u32, item: u32) -> vec4<f32> {
    let i = min(4u * first4 + item / (THREADS_N * BLOCKS_N), 4u * INPUTS4 - 1u);
    let o4 = min(tile.column * THREADS_N * BLOCKS_N + item % (THREADS_N * BLOCKS_N), OUTPUTS4 - 1u);
    return load_rhs((4u * (tile.region - FIRST_REGION) * INPUTS4 + i) * OUTPUTS4 + o4);
}

// `rows` are the four rows that the thread loads.
fn fetch_step(tile: Tile, rows: vec4<u32>, thread: u32, first4: u32) -> Fetched {
    var fetched: Fetched;
    if thread < LHS_TILE_SIZE / 4u {
        let at = min(first4 + thread % TILE_K4, INPUTS4 - 1u);
        fetched.x0 = load_lhs(tile.region, rows.x, at);
        fetched.x1 = load_lhs(tile.region, rows.y, at);
        fetched.x2 = load_lhs(tile.region, rows.z, at);
        fetched.x3 = load_lhs(tile.region, rows.w, at);
    }
    fetched.w0 = fetch_rhs(tile, first4, thread);
    if BLOCKS_N == 2u {
        fetched.w1 = fetch_rhs(tile, first4, thread + THREADS_N * THREADS_M);
    }
    return fetched;
}

fn store_step(thread: u32, first4: u32, fetched: Fetched) {
    if thread < LHS_TILE_SIZE / 4u {
        // Beyond the last input x is zero, whatever memory holds there.
        let inside = first4 + thread % TILE_K4 < INPUTS4;
        let x0 = select(vec4<f32>(), lhs_values(fetched.x0), inside);
        let x1 = select(vec4<f32>(), lhs_values(fetched.x1), inside);
        let x2 = select(vec4<f32>(), lhs_values(fetched.x2), inside);
        let x3 = select(vec4<f32>(), lhs_values(fetched.x3), inside);
        let i = 4u * (thread % TILE_K4);
        let rows = thread / TILE_K4;
        lhs_tile[lhs_index(i, rows)] = vec4<f32>(x0.x, x1.x, x2.x, x3.x);
        lhs_tile[lhs_index(i + 1u, rows)] = vec4<f32>(x0.y, x1.y, x2.y, x3.y);
        lhs_tile[lhs_index(i + 2u, rows)] = vec4<f32>(x0.z, x1.z, x2.z, x3.z);
        lhs_tile[lhs_index(i + 3u, rows)] = vec4<f32>(x0.w, x1.w, x2.w, x3.w);
    }
    rhs_tile[thread] = fetched.w0;
    if BLOCKS_N == 2u {
        rhs_tile[thread + THREADS_N * THREADS_M] = fetched.w1;
    }
}

fn gemm_tile(tile: Tile, local: vec2<u32>) -> Sums {
    var sums: Sums;
    let thread = local.y * THREADS_N + local.x;
    let row = 4u * (thread / TILE_K4);
    let rows = vec4<u32>(
        loaded_row(tile, row),
        loaded_row(tile, row + 1u),
        loaded_row(tile, row + 2u),
        loaded_row(tile, row + 3u),
    );
    var fetched = fetch_step(tile, rows, thread, 0u);
    for (var first4 = 0u; first4 < INPUTS4; first4 += TILE_K4) {
        store_step(thread, first4, fetched);
        workgroupBarrier();
        // The next step's values are in flight while this step's are multiplied.
        if first4 + TILE_K4 < INPUTS4 {
            fetched = fetch_step(tile, rows, thread, first4 + TILE_K4);
        }
        for (var i = 0u; i < 4u * TILE_K4; i++) {
            let rhs_at = i * THREADS_N * BLOCKS_N + local.x;
            let x = lhs_tile[lhs_index(i, local.y)];
            let w = rhs_tile[rhs_at];
            add(&sums, 0u, x, w);
            if BLOCKS_M == 2u {
                let below = lhs_tile[lhs_index(i, local.y + THREADS_M)];
                add(&sums, 4u, below, w);
                if BLOCKS_N == 2u {
                    add(&sums, 12u, below, rhs_tile[rhs_at + THREADS_N]);
                }
            }
            if BLOCKS_N == 2u {
                add(&sums, 8u, x, rhs_tile[rhs_at + THREADS_N]);
            }
        }
        workgroupBarrier();
    }
    return sums;
}

// A thread's first vec4 of outputs.
fn first_output(tile: Tile, local: vec2<u32>) -> u32 {
    return tile.column * THREADS_N * BLOCKS_N + local.x;
}

// Finishes a block that begins at row `i` of the tile.
fn finish_block(sums: ptr<function, Sums>, block: u32, tile: Tile, i: u32, o4: u32) {
    let region = tile.region;
    (*sums)[block] = finished(region, loaded_row(tile, i), o4, (*sums)[block]);
    (*sums)[block + 1u] = finished(region, loaded_row(tile, i + 1u), o4, (*sums)[block + 1u]);
    (*sums)[block + 2u] = finished(region, loaded_row(tile, i + 2u), o4, (*sums)[block + 2u]);
    (*sums)[block + 3u] = finished(region, loaded_row(tile, i + 3u), o4, (*sums)[block + 3u]);
}

fn finish_all(sums: ptr<function, Sums>, tile: Tile, local: vec2<u32>) {
    let row = 4u * local.y;
    let o4 = first_output(tile, local);
    finish_block(sums, 0u, tile, row, o4);
    if BLOCKS_M == 2u {
        finish_block(sums, 4u, tile, row + 4u * THREADS_M, o4);
    }
    if BLOCKS_N == 2u {
        finish_block(sums, 8u, tile, row, o4 + THREADS_N);
        if BLOCKS_M == 2u {
            finish_block(sums, 12u, tile, row + 4u * THREADS_M, o4 + THREADS_N);
        }
    }
}
