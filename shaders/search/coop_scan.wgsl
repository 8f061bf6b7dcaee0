// Scores rows of bit codes with many queries, on cooperative matrices of 16 x 16 with f16 operands and an f32
// accumulator. A workgroup takes every so many tiles. Of a tile it scores BLOCK_ROWS rows at a time with
// BLOCK_QUERIES queries:
//     for each panel of PANEL values:
//         look the values of all rows up, into workgroup memory; barrier
//         eight subgroups, four along the rows, two along the queries: each multiplies 32 rows x 64 queries
//         barrier
//     for each matrix of sums: pass it through workgroup memory; key = a sum + b center + o; offer
// 1. A row is looked up once for BLOCK_QUERIES queries. A subgroup loads two matrices of rows and four of
//    queries for eight products.
// 2. Values are exact in f16. A query is rounded, after it was scaled so that its largest value lies between
//    2^13 and 2^14. `slack` has room for the rounding.
// look_ups: the pairs of values, two f16 in a word, then two words for each two values of a region
// [REGIONS, PANELS * PANEL / 2]: the first bit in 20 bits, above it the zeros before it in 4 bits, above them how
// many bits there are; and where the table begins.
// queries [blocks of queries, REGIONS, BLOCK_QUERIES / SIDE, PANELS * PANEL / SIDE] matrices of 16 queries x 16
// values.
// centers [queries, REGIONS]: the product with the centroid, and what sums are multiplied by.
// needs: round, lists, TILE, CODE_WORDS, REGIONS, PLANES, tiles, planes, Terms, terms, row_number, offer
// needs: is_in_round

enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 16u;
const THREADS: u32 = 256u;
// Threads of a subgroup on every adapter that is given this kernel.
const SUBGROUP: u32 = 32u;
const BLOCK_ROWS: u32 = 128u;
const BLOCK_QUERIES: u32 = 128u;
const PANEL: u32 = 64u;
// Rows of a panel are padded, so that they begin in different memory banks.
const STRIDE: u32 = PANEL + 8u;
// Fours of values that a thread looks up for its row, of which another thread has the other half.
const THREAD_FOURS: u32 = PANEL * BLOCK_ROWS / THREADS / 4u;

alias RowMatrix = coop_mat16x16<f16, A>;
alias QueryMatrix = coop_mat16x16<f16, B>;
alias Sums = coop_mat16x16<f32, C>;

// Words of `look_ups` that hold pairs.
override PAIRS: u32;
// Panels of values.
override PANELS: u32;

@group(0) @binding(3) var<storage, read> queries: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read> look_ups: array<u32>;
@group(0) @binding(5) var<storage, read> centers: array<vec2<f32>>;

struct RowTerms {
    terms: Terms,
    number: u32,
}

struct QueryTerms {
    center: f32,
    scale: f32,
    threshold: u32,
}

var<workgroup> near_pairs: array<u32, PAIRS>;
var<workgroup> values: array<vec4<f16>, BLOCK_ROWS * STRIDE / 4u>;
// The sums of a matrix of each subgroup.
var<workgroup> strips: array<vec4<f32>, THREADS * SIDE * SIDE / SUBGROUP / 4u>;
var<workgroup> row_terms: array<RowTerms, BLOCK_ROWS>;
var<workgroup> query_terms: array<QueryTerms, BLOCK_QUERIES>;

// The pair of values number `two` of a region, of the row whose first word is at `at`.
fn pair(region: u32, two: u32, at: u32) -> vec2<f32> {
    let entry = PAIRS + 2u * (region * PANELS * PANEL / 2u + two);
    let bits = look_ups[entry];
    let start = bits & 0xfffffu;
    let word = start / 32u;
    let shift = start % 32u;
    // Both words are loaded at once. No look-up reads beyond the last one.
    let next = min(word + 1u, CODE_WORDS - 1u);
    let low = planes[at + word * TILE];
    let high = planes[at + next * TILE];
    let found = (low >> shift | (high << 1u) << (31u - shift)) << (bits >> 20u & 0xfu);
    let index = look_ups[entry + 1u] + (found & ((1u << (bits >> 24u)) - 1u));
    return unpack2x16float(near_pairs[index]);
}

fn look_up_panel(region: u32, panel: u32, at: u32, thread: u32) {
    let row = thread % BLOCK_ROWS;
    let first = thread / BLOCK_ROWS * THREAD_FOURS;
    for (var i = 0u; i < THREAD_FOURS; i++) {
        let four = first + i;
        let two = 2u * (panel * PANEL / 4u + four);
        let both = vec4<f32>(pair(region, two, at), pair(region, two + 1u, at));
        values[row * STRIDE / 4u + four] = vec4<f16>(both);
    }
}

fn row_matrix(row: u32, value: u32) -> RowMatrix {
    return coopLoadT<RowMatrix>(&values[(row * STRIDE + value) / 4u], STRIDE / 4u);
}

fn query_matrix(number: u32) -> QueryMatrix {
    return coopLoad<QueryMatrix>(&queries[number * SIDE * SIDE / 4u], SIDE / 4u);
}

// Offers the sums of 16 rows x 16 queries, of which each subgroup has its own. A thread has one query of them.
fn offer_sums(sums: Sums, row: u32, query: u32, first_query: u32, rows: u32, thread: u32) {
    let strip = thread / SUBGROUP * SIDE * SIDE;
    coopStoreT(sums, &strips[strip / 4u], SIDE / 4u);
    workgroupBarrier();
    let column = thread % SIDE;
    let q = query_terms[query + column];
    for (var i = thread % SUBGROUP / SIDE; i < SIDE; i += SUBGROUP / SIDE) {
        if row + i < rows {
            let of_row = row_terms[row + i];
            let sum = strips[(strip + i * SIDE + column) / 4u][column % 4u] * q.scale;
            let key = of_row.terms.latents * sum
                + (of_row.terms.center * q.center + of_row.terms.offset);
            offer(first_query + query + column, q.threshold, key, of_row.number);
        }
    }
    workgroupBarrier();
}

// Scores the rows of a tile from `block` on.
fn score_block(tile: u32, region: u32, block: u32, rows: u32, group: u32, thread: u32) {
    let at = tile * PLANES * TILE + block;
    if thread < BLOCK_ROWS {
        row_terms[thread].terms = terms(at + thread + CODE_WORDS * TILE);
        row_terms[thread].number = row_number(tile, block + thread, at + thread);
    }
    let subgroup = thread / SUBGROUP;
    let row = subgroup / 2u * 2u * SIDE;
    let query = subgroup % 2u * 4u * SIDE;
    let matrices = ((group * REGIONS + region) * BLOCK_QUERIES + query) / SIDE * (PANELS * PANEL / SIDE);
    let column = PANELS * PANEL / SIDE;
    var a0 = Sums();
    var a1 = Sums();
    var a2 = Sums();
    var a3 = Sums();
    var b0 = Sums();
    var b1 = Sums();
    var b2 = Sums();
    var b3 = Sums();
    for (var panel = 0u; panel < PANELS; panel++) {
        look_up_panel(region, panel, at + thread % BLOCK_ROWS, thread);
        workgroupBarrier();
        for (var k = 0u; k < PANEL / SIDE; k++) {
            let first = matrices + panel * PANEL / SIDE + k;
            let a = row_matrix(row, k * SIDE);
            let b = row_matrix(row + SIDE, k * SIDE);
            let q0 = query_matrix(first);
            let q1 = query_matrix(first + column);
            let q2 = query_matrix(first + 2u * column);
            let q3 = query_matrix(first + 3u * column);
            a0 = coopMultiplyAdd(a, q0, a0);
            a1 = coopMultiplyAdd(a, q1, a1);
            a2 = coopMultiplyAdd(a, q2, a2);
            a3 = coopMultiplyAdd(a, q3, a3);
            b0 = coopMultiplyAdd(b, q0, b0);
            b1 = coopMultiplyAdd(b, q1, b1);
            b2 = coopMultiplyAdd(b, q2, b2);
            b3 = coopMultiplyAdd(b, q3, b3);
        }
        workgroupBarrier();
    }
    let first_query = group * BLOCK_QUERIES;
    let left = rows - block;
    offer_sums(a0, row, query, first_query, left, thread);
    offer_sums(a1, row, query + SIDE, first_query, left, thread);
    offer_sums(a2, row, query + 2u * SIDE, first_query, left, thread);
    offer_sums(a3, row, query + 3u * SIDE, first_query, left, thread);
    offer_sums(b0, row + SIDE, query, first_query, left, thread);
    offer_sums(b1, row + SIDE, query + SIDE, first_query, left, thread);
    offer_sums(b2, row + SIDE, query + 2u * SIDE, first_query, left, thread);
    offer_sums(b3, row + SIDE, query + 3u * SIDE, first_query, left, thread);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    for (var i = thread; i < PAIRS; i += THREADS) {
        near_pairs[i] = look_ups[i];
    }
    for (var i = group.x; i < round.tile_count; i += round.workgroups) {
        if !is_in_round(i) {
            continue;
        }
        let tile = round.first_tile + i * round.tile_stride;
        let region = tiles[tile] >> 24u;
        let rows = tiles[tile] & 0xffffffu;
        workgroupBarrier();
        if thread < BLOCK_QUERIES {
            let query = group.y * BLOCK_QUERIES + thread;
            let c = centers[query * REGIONS + region];
            query_terms[thread] = QueryTerms(c.x, c.y, lists[query].threshold);
        }
        workgroupBarrier();
        for (var block = 0u; block < rows; block += BLOCK_ROWS) {
            score_block(tile, region, block, rows, group.y, thread);
        }
    }
}
