// Weight-stationary GEMM on cooperative matrices of 16 x 16, for codes: a subgroup keeps all the
// weights of its SIDE outputs in registers, and tiles of SIDE rows pass by.
//     load the weights and the bias
//     fetch tiles t, t + n, t + 2n into registers x, y, z        (n workgroups share the row tiles)
//     for each tile of this workgroup, with x, y and z in turn:
//         store the fetched rows into workgroup memory as f16; barrier
//         fetch the tile 3n further into the same registers
//         multiply; finish; store the results
// 1. Three tiles are in flight, because a device that is busy with stores is slow to load rows. Each
//    has a variable of its own: moving a tile from one variable to the next would wait for its load.
// 2. Each tile has two barriers: one here and one in `store_strip`. The second one separates this
//    tile's reads of `lhs_tile` from the next tile's writes. `row_scales` is written after the first.
// 3. Registers hold two panels of at most eight matrices. With SPLIT they are the high and the low
//    parts of the same weights, and the sums of the low parts are added once at the end. Without
//    SPLIT the second panel holds further inputs, where they fill more than eight matrices.
// 4. Loads are not masked: rows and inputs beyond the last repeat the last. Values beyond the last
//    input are replaced by zero when they are stored into workgroup memory.
// needs: THREADS, SIDE, RHS_BLOCKS_K, params, INPUTS4, DESCALE, LhsRaw, load_lhs, lhs_values
// needs: find_tile, loaded_row, row_scale, row_scales, first_rhs, thread_bias, store_strip
// needs: RhsMatrix, Accumulator, store_lhs, lhs_matrix, rhs_matrix
// gives: TILE_M, LHS_STRIDE, LHS_TILE_VECTORS, descaled

const TILE_M: u32 = SIDE;
// Threads that load a row.
const THREADS_PER_ROW: u32 = THREADS / SIDE;
// Rows of the tile [SIDE][SIDE * RHS_BLOCKS_K] are padded to LHS_STRIDE values.
override LHS_STRIDE: u32;
override LHS_TILE_VECTORS: u32;
// Whether each matrix of weights is followed by the matrix of its low parts.
override SPLIT: bool;
// Matrices of a panel: all that there are along the inputs, or half of them.
override PANEL_K: u32;

struct RhsPanel {
    a: RhsMatrix,
    b: RhsMatrix,
    c: RhsMatrix,
    d: RhsMatrix,
    e: RhsMatrix,
    f: RhsMatrix,
    g: RhsMatrix,
    h: RhsMatrix,
}

fn load_panel(first: u32) -> RhsPanel {
    let matrices_per_block = select(1u, 2u, SPLIT);
    var w: RhsPanel;
    w.a = rhs_matrix(first);
    w.b = rhs_matrix(first + matrices_per_block);
    if PANEL_K > 2u {
        w.c = rhs_matrix(first + 2u * matrices_per_block);
        w.d = rhs_matrix(first + 3u * matrices_per_block);
    }
    if PANEL_K > 4u {
        w.e = rhs_matrix(first + 4u * matrices_per_block);
        w.f = rhs_matrix(first + 5u * matrices_per_block);
    }
    if PANEL_K > 6u {
        w.g = rhs_matrix(first + 6u * matrices_per_block);
        w.h = rhs_matrix(first + 7u * matrices_per_block);
    }
    return w;
}

fn multiply_add(w: RhsPanel, at: u32, before: Accumulator) -> Accumulator {
    var s = coopMultiplyAdd(lhs_matrix(at), w.a, before);
    s = coopMultiplyAdd(lhs_matrix(at + SIDE), w.b, s);
    if PANEL_K > 2u {
        s = coopMultiplyAdd(lhs_matrix(at + 2u * SIDE), w.c, s);
        s = coopMultiplyAdd(lhs_matrix(at + 3u * SIDE), w.d, s);
    }
    if PANEL_K > 4u {
        s = coopMultiplyAdd(lhs_matrix(at + 4u * SIDE), w.e, s);
        s = coopMultiplyAdd(lhs_matrix(at + 5u * SIDE), w.f, s);
    }
    if PANEL_K > 6u {
        s = coopMultiplyAdd(lhs_matrix(at + 6u * SIDE), w.g, s);
        s = coopMultiplyAdd(lhs_matrix(at + 7u * SIDE), w.h, s);
    }
    return s;
}

fn gemm_tile(first: RhsPanel, second: RhsPanel) -> Accumulator {
    let s = multiply_add(first, 0u, Accumulator());
    if SPLIT {
        return s + multiply_add(second, 0u, Accumulator());
    }
    if RHS_BLOCKS_K > PANEL_K {
        return multiply_add(second, PANEL_K * SIDE, s);
    }
    return s;
}

struct Fetched {
    a: LhsRaw,
    b: LhsRaw,
    c: LhsRaw,
    d: LhsRaw,
    row_scale: f32,
}

fn fetch_tile(number: u32, thread: u32) -> Fetched {
    var fetched: Fetched;
    let tile = find_tile(vec2<u32>(0u, number));
    let row = loaded_row(tile, thread / THREADS_PER_ROW);
    let i4 = thread % THREADS_PER_ROW;
    fetched.a = load_lhs(tile.region, row, min(i4, INPUTS4 - 1u));
    if RHS_BLOCKS_K > 4u {
        fetched.b = load_lhs(tile.region, row, min(i4 + THREADS_PER_ROW, INPUTS4 - 1u));
    }
    if RHS_BLOCKS_K > 8u {
        fetched.c = load_lhs(tile.region, row, min(i4 + 2u * THREADS_PER_ROW, INPUTS4 - 1u));
        fetched.d = load_lhs(tile.region, row, min(i4 + 3u * THREADS_PER_ROW, INPUTS4 - 1u));
    }
    fetched.row_scale = row_scale(loaded_row(tile, thread % SIDE));
    return fetched;
}

fn store_x(row: u32, i4: u32, raw: LhsRaw) {
    if 4u * i4 < SIDE * RHS_BLOCKS_K {
        let x = select(vec4<f32>(), lhs_values(raw), i4 < INPUTS4);
        store_lhs(row * LHS_STRIDE + 4u * i4, vec4<f16>(x));
    }
}

fn store_tile(fetched: Fetched, thread: u32) {
    let row = thread / THREADS_PER_ROW;
    let i4 = thread % THREADS_PER_ROW;
    store_x(row, i4, fetched.a);
    if RHS_BLOCKS_K > 4u {
        store_x(row, i4 + THREADS_PER_ROW, fetched.b);
    }
    if RHS_BLOCKS_K > 8u {
        store_x(row, i4 + 2u * THREADS_PER_ROW, fetched.c);
        store_x(row, i4 + 3u * THREADS_PER_ROW, fetched.d);
    }
}

fn descaled(sum: vec4<f32>, row: u32) -> vec4<f32> {
    return DESCALE * sum;
}

// Multiplies and stores a tile that was fetched, and fetches the one that is `ahead` tiles further.
fn take_tile(
    group: vec2<u32>,
    thread: u32,
    ahead: u32,
    fetched: ptr<function, Fetched>,
    first: RhsPanel,
    second: RhsPanel,
    b: vec4<f32>,
) {
    store_tile(*fetched, thread);
    let scale = (*fetched).row_scale;
    workgroupBarrier();
    // Before this barrier the last tile's scales were still read.
    if thread < SIDE {
        row_scales[thread] = scale;
    }
    *fetched = fetch_tile(group.y + ahead, thread);
    store_strip(find_tile(group), thread, 0u, gemm_tile(first, second), b);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let own = find_tile(group.xy);
    let rhs = select(1u, 2u, SPLIT) * first_rhs(own, thread);
    let first = load_panel(rhs);
    var second: RhsPanel;
    if SPLIT {
        second = load_panel(rhs + 1u);
    } else if RHS_BLOCKS_K > PANEL_K {
        second = load_panel(rhs + PANEL_K);
    }
    let b = thread_bias(own, thread);
    let ahead = 3u * groups.y;
    var x = fetch_tile(group.y, thread);
    var y = fetch_tile(group.y + groups.y, thread);
    var z = fetch_tile(group.y + 2u * groups.y, thread);
    for (var tile = group.y; tile * SIDE < params.rows; tile += ahead) {
        let next = tile + groups.y;
        let last = next + groups.y;
        take_tile(vec2<u32>(group.x, tile), thread, ahead, &x, first, second, b);
        if next * SIDE < params.rows {
            take_tile(vec2<u32>(group.x, next), thread, ahead, &y, first, second, b);
        }
        if last * SIDE < params.rows {
            take_tile(vec2<u32>(group.x, last), thread, ahead, &z, first, second, b);
        }
    }
}
