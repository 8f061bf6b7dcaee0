// GEMM on cooperative matrices with f16 operands and an f32 accumulator. A workgroup of eight
// subgroups owns a tile of TILE_M rows x TILE_N outputs; each subgroup owns the matrices of SIDE of
// these outputs. Weights are read straight from memory through the caches.
// weights [regions, RHS_BLOCKS_N, RHS_BLOCKS_K] matrices of SIDE outputs x SIDE inputs as f16, padded with
// zeros to whole steps of 32 inputs, and beyond 128 inputs to whole steps of 64.
// needs: Tile, FIRST_REGION, bias_of, finish, SIDE, TILE_M, Accumulator, store_accumulator, stored_sums
// needs: descaled
// gives: THREADS, TILE_N4, STRIP_STRIDE, RHS_BLOCKS_K, row_scales
// gives: first_rhs, thread_bias, store_strip_sums, strip_value

const THREADS: u32 = 256u;
// Threads of a subgroup on every adapter that is given these kernels.
const SUBGROUP: u32 = 32u;
const TILE_N: u32 = 8u * SIDE;
const TILE_N4: u32 = TILE_N / 4u;
// A strip is SIDE rows [SIDE][TILE_N]. Its rows are padded, or all would begin in one memory bank.
const STRIP_STRIDE: u32 = TILE_N + 8u;
// Matrices of weights along the outputs, and along the inputs.
override RHS_BLOCKS_N: u32;
override RHS_BLOCKS_K: u32;

// The scale of each row of the tile.
var<workgroup> row_scales: array<f32, TILE_M>;

// The first matrix of weights for a thread's subgroup. The matrices of further inputs follow this
// matrix.
fn first_rhs(tile: Tile, thread: u32) -> u32 {
    let block = min(tile.column * TILE_N / SIDE + thread / SUBGROUP, RHS_BLOCKS_N - 1u);
    return ((tile.region - FIRST_REGION) * RHS_BLOCKS_N + block) * RHS_BLOCKS_K;
}

// The bias of a thread's outputs, which are the same in all strips.
fn thread_bias(tile: Tile, thread: u32) -> vec4<f32> {
    return bias_of(tile.region, tile.column * TILE_N4 + thread % TILE_N4);
}

// Passes the sums of SIDE rows through workgroup memory, because which thread holds which value of a
// matrix is the driver's choice.
fn store_strip_sums(thread: u32, sum: Accumulator) {
    store_accumulator(sum, thread / SUBGROUP * SIDE);
    workgroupBarrier();
}

// Vec4 number `item` of strip number `strip`, finished.
fn strip_value(strip: u32, item: u32, b: vec4<f32>) -> vec4<f32> {
    let row = strip * SIDE + item / TILE_N4;
    let sum = stored_sums(item / TILE_N4 * STRIP_STRIDE + 4u * (item % TILE_N4));
    return finish(descaled(sum, row), row_scales[row], b);
}
