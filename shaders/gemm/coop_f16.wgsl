// Operands rounded to f16, or weights split into two f16 parts. A subgroup owns eight matrices of sums.
//
// With SPLIT each matrix of weights is followed by the matrix of what rounding lost, and the left
// operand is one that f16 holds exactly: x w = x wh + x wl. Both products go to one sum. It is truncated
// once per product, that is at 2^-24 of itself, and few inputs have codes. With eight matrices of sums the
// weights are read half as often as in `coop_2xf16.wgsl` (H200, 384 values in 64 bytes, million rows
// per second with one region and with 16: 292 and 167 here, 243 and 139 there).
// needs: SPLIT, SIDE, RhsMatrix, Accumulator, BLOCK_STRIDE, DESCALE, store_lhs, lhs_matrix
// needs: rhs_matrix, k_loop, Tile, store_strip, next_strip
// gives: TILE_K, LHS_PARTS, BLOCKS_M, Accumulators, Weights, load_weights, store_strips, store_x
// gives: multiply_add, gemm_tile, descaled

// Two parts of weights in steps of 32 inputs leave registers for one workgroup only.
const TILE_K: u32 = select(2u * SIDE, SIDE, SPLIT);
const LHS_PARTS: u32 = 1u;
const BLOCKS_M: u32 = 8u;

struct Sums {
    a: Accumulator,
    b: Accumulator,
    c: Accumulator,
    d: Accumulator,
    e: Accumulator,
    f: Accumulator,
    g: Accumulator,
    h: Accumulator,
}

fn store_strips(tile: Tile, thread: u32, s: Sums, b: vec4<f32>) {
    store_strip(tile, thread, 0u, s.a, b);
    next_strip(tile, thread, 1u, s.b, b);
    next_strip(tile, thread, 2u, s.c, b);
    next_strip(tile, thread, 3u, s.d, b);
    next_strip(tile, thread, 4u, s.e, b);
    next_strip(tile, thread, 5u, s.f, b);
    next_strip(tile, thread, 6u, s.g, b);
    next_strip(tile, thread, 7u, s.h, b);
}

fn descaled(sum: vec4<f32>, row: u32) -> vec4<f32> {
    return DESCALE * sum;
}

alias Accumulators = Sums;

fn store_x(at: u32, x: vec4<f32>, row_exponent: f32) -> u32 {
    store_lhs(at, vec4<f16>(x));
    return 0u;
}

// The weights of SIDE inputs, and what rounding lost of them.
struct Weights {
    high: RhsMatrix,
    low: RhsMatrix,
}

fn load_weights(matrix: u32) -> Weights {
    var w: Weights;
    if SPLIT {
        w.high = rhs_matrix(2u * matrix);
        w.low = rhs_matrix(2u * matrix + 1u);
    } else {
        w.high = rhs_matrix(matrix);
    }
    return w;
}

fn multiply_add(sums: ptr<function, Accumulators>, at: u32, w: Weights) {
    if SPLIT {
        add_products(sums, at, w.low);
    }
    add_products(sums, at, w.high);
}

fn add_products(sums: ptr<function, Accumulators>, at: u32, w: RhsMatrix) {
    (*sums).a = coopMultiplyAdd(lhs_matrix(at), w, (*sums).a);
    (*sums).b = coopMultiplyAdd(lhs_matrix(at + BLOCK_STRIDE), w, (*sums).b);
    (*sums).c = coopMultiplyAdd(lhs_matrix(at + 2u * BLOCK_STRIDE), w, (*sums).c);
    (*sums).d = coopMultiplyAdd(lhs_matrix(at + 3u * BLOCK_STRIDE), w, (*sums).d);
    (*sums).e = coopMultiplyAdd(lhs_matrix(at + 4u * BLOCK_STRIDE), w, (*sums).e);
    (*sums).f = coopMultiplyAdd(lhs_matrix(at + 5u * BLOCK_STRIDE), w, (*sums).f);
    (*sums).g = coopMultiplyAdd(lhs_matrix(at + 6u * BLOCK_STRIDE), w, (*sums).g);
    (*sums).h = coopMultiplyAdd(lhs_matrix(at + 7u * BLOCK_STRIDE), w, (*sums).h);
}

fn gemm_tile(tile: Tile, thread: u32) -> Sums {
    var sums: Sums;
    k_loop(tile, thread, vec4<f32>(1.0), &sums);
    return sums;
}
