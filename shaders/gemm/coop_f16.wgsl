// Operands rounded to f16. A subgroup owns eight matrices of sums.
// needs: SIDE, Accumulator, BLOCK_STRIDE, DESCALE, store_lhs, lhs_matrix, rhs_matrix, k_loop
// needs: Tile, store_strip, next_strip
// gives: TILE_K, LHS_PARTS, BLOCKS_M, Accumulators, store_strips, store_x, multiply_add, gemm_tile
// gives: descaled

const TILE_K: u32 = 2u * SIDE;
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

fn multiply_add(sums: ptr<function, Accumulators>, at: u32, matrix: u32) {
    let w = rhs_matrix(matrix);
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
