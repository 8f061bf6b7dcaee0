// The loop over the inputs of a GEMM on cooperative matrices, in steps of TILE_K:
//     fetch the first step into registers
//     for each step: store it into workgroup memory as f16; barrier;
//                    fetch the next step into registers, rows and weights; multiply-add; barrier
// A subgroup owns BLOCKS_M matrices of sums, one below the other.
// needs: Tile, find_tile, loaded_row, THREADS, SIDE, first_rhs, thread_bias, row_scales
// needs: INPUTS4, LhsRaw, load_lhs, lhs_values, row_scale
// needs: TILE_K, LHS_PARTS, BLOCKS_M, Accumulators, Weights, load_weights, store_x, multiply_add
// needs: gemm_tile, store_strips, store_strip, Accumulator
// gives: TILE_M, TILE_K4, ROWS_PER_LOAD, LHS_STRIDE, LHS_TILE_VECTORS, BLOCK_STRIDE, loaded_rows
// gives: k_loop, next_strip

const TILE_M: u32 = BLOCKS_M * SIDE;
const TILE_K4: u32 = TILE_K / 4u;
// Rows of a step that the workgroup loads at once.
const ROWS_PER_LOAD: u32 = THREADS / TILE_K4;
// Rows of the tile [TILE_M][TILE_K] are padded, so that they begin in different memory banks.
const LHS_STRIDE: u32 = TILE_K + 8u;
const LHS_TILE_VECTORS: u32 = LHS_PARTS * TILE_M * LHS_STRIDE / 4u;
// Values from one matrix of rows to the next one below.
const BLOCK_STRIDE: u32 = SIDE * LHS_STRIDE;

// The rows of the tile that a thread loads: those of the four that are below TILE_M.
fn loaded_rows(thread: u32) -> vec4<u32> {
    return vec4<u32>(thread / TILE_K4) + ROWS_PER_LOAD * vec4<u32>(0u, 1u, 2u, 3u);
}

struct Fetched {
    a: LhsRaw,
    b: LhsRaw,
    c: LhsRaw,
    d: LhsRaw,
}

fn fetch_step(tile: Tile, thread: u32, step4: u32) -> Fetched {
    var fetched: Fetched;
    let rows = loaded_rows(thread);
    let at = min(step4 + thread % TILE_K4, INPUTS4 - 1u);
    fetched.a = load_lhs(tile.region, loaded_row(tile, rows.x), at);
    if TILE_M > ROWS_PER_LOAD {
        fetched.b = load_lhs(tile.region, loaded_row(tile, rows.y), at);
    }
    if TILE_M > 2u * ROWS_PER_LOAD {
        fetched.c = load_lhs(tile.region, loaded_row(tile, rows.z), at);
        fetched.d = load_lhs(tile.region, loaded_row(tile, rows.w), at);
    }
    return fetched;
}

// Adds the products of the rows, each multiplied by its row exponent, to `sums`. Returns the largest
// magnitudes in the rows that the thread loaded, as far as `store_x` returns them.
fn k_loop(
    tile: Tile,
    thread: u32,
    row_exponents: vec4<f32>,
    sums: ptr<function, Accumulators>,
) -> vec4<u32> {
    var largest = vec4<u32>();
    let rows = loaded_rows(thread);
    let first = first_rhs(tile, thread);
    var fetched = fetch_step(tile, thread, 0u);
    // The weights of a step's first SIDE inputs, and those of its other inputs.
    var weights = load_weights(first);
    var below: Weights;
    if TILE_K > SIDE {
        below = load_weights(first + 1u);
    }
    for (var step4 = 0u; step4 < INPUTS4; step4 += TILE_K4) {
        // Beyond the last input x is zero, whatever memory holds there.
        let i4 = thread % TILE_K4;
        let inside = step4 + i4 < INPUTS4;
        let at = rows * LHS_STRIDE + 4u * i4;
        let a = select(vec4<f32>(), lhs_values(fetched.a), inside);
        largest.x = max(largest.x, store_x(at.x, a, row_exponents.x));
        if TILE_M > ROWS_PER_LOAD {
            let b = select(vec4<f32>(), lhs_values(fetched.b), inside);
            largest.y = max(largest.y, store_x(at.y, b, row_exponents.y));
        }
        if TILE_M > 2u * ROWS_PER_LOAD {
            let c = select(vec4<f32>(), lhs_values(fetched.c), inside);
            let d = select(vec4<f32>(), lhs_values(fetched.d), inside);
            largest.z = max(largest.z, store_x(at.z, c, row_exponents.z));
            largest.w = max(largest.w, store_x(at.w, d, row_exponents.w));
        }
        workgroupBarrier();
        // The next step's values are in flight while this step's are multiplied.
        let more = step4 + TILE_K4 < INPUTS4;
        if more {
            fetched = fetch_step(tile, thread, step4 + TILE_K4);
        }
        // Weights are loaded a step ahead, too (H200, 384 -> 294 values: 395 us instead of 440). The last
        // step loads its own weights again.
        let next = first + 4u * select(step4, step4 + TILE_K4, more) / SIDE;
        let next_weights = load_weights(next);
        var next_below: Weights;
        if TILE_K > SIDE {
            next_below = load_weights(next + 1u);
        }
        multiply_add(sums, 0u, weights);
        if TILE_K > SIDE {
            multiply_add(sums, SIDE, below);
        }
        weights = next_weights;
        below = next_below;
        workgroupBarrier();
    }
    return largest;
}

// Stores a strip after the first one.
fn next_strip(tile: Tile, thread: u32, strip: u32, sum: Accumulator, b: vec4<f32>) {
    workgroupBarrier();
    store_strip(tile, thread, strip, sum, b);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let tile = find_tile(group.xy);
    if tile.first >= tile.end {
        return;
    }
    // Loaded before the multiplication, so that no strip waits for it.
    let scale = row_scale(loaded_row(tile, thread % TILE_M));
    let s = gemm_tile(tile, thread);
    if thread < TILE_M {
        row_scales[thread] = scale;
    }
    store_strips(tile, thread, s, thread_bias(tile, thread));
}
