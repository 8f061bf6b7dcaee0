// Scores rows of bit codes with many queries, on cooperative matrices of 16 x 16 with f16 operands and an f32
// accumulator. A workgroup takes every so many tiles. Of a tile it scores BLOCK_ROWS rows at a time with
// BLOCK_QUERIES queries, 16 of them on each subgroup:
//     fetch the words of the first panel
//     for each panel of PANEL values:
//         look the values of all rows up, into workgroup memory; barrier
//         fetch the words of the next panel
//         multiply all rows with the subgroup's queries; barrier
//     for each matrix of sums: pass it through workgroup memory; key = a sum + b center + o; offer
// 1. A row is looked up once for BLOCK_QUERIES queries. Matrices of queries come from memory, those of rows from
//    workgroup memory. So a subgroup has one matrix of queries for eight of rows, and no two subgroups load the
//    same queries. H200, 4 million rows of one region, 1,024 queries: 32 ms; with two matrices of rows and four of
//    queries in each subgroup, 41 ms. Blocks of half as many queries and threads take 1.4 times as long.
// 2. The words of a panel are on their way while the panel before it is multiplied (1 to 2 ms of these).
// 3. Few keys reach their threshold. They are compared as f32, and become ordered bits only if they do (3 ms).
// 4. Values are exact in f16. A query is rounded, after it was scaled so that its largest value lies between
//    2^13 and 2^14. `slack` has room for the rounding.
// look_ups: the pairs of values, two f16 in a word, then two words for each two values of a region
// [REGIONS, PANELS * PANEL / 2]: the first bit in 20 bits, above it the zeros before it in 4 bits, above them how
// many bits there are; and where the table begins.
// queries [blocks of queries, REGIONS, BLOCK_QUERIES / SIDE, PANELS * PANEL / SIDE] matrices of 16 queries x 16
// values.
// centers [queries, REGIONS]: the product with the centroid, and what sums are multiplied by.
// needs: round, lists, ordered, unordered, TILE, CODE_WORDS, REGIONS, PLANES, tiles, planes, Terms, terms
// needs: row_number, offer, is_in_round

enable f16;
enable wgpu_cooperative_matrix;

const SIDE: u32 = 16u;
const THREADS: u32 = 512u;
// Threads of a subgroup on every adapter that is given this kernel.
const SUBGROUP: u32 = 32u;
const BLOCK_ROWS: u32 = 128u;
// As many as there are subgroups, times SIDE.
const BLOCK_QUERIES: u32 = 256u;
const PANEL: u32 = 32u;
// Rows of a panel are padded, so that they begin in different memory banks.
const STRIDE: u32 = PANEL + 8u;
// Pairs of values that a thread looks up for its row. Other threads have the row's other ones.
const THREAD_PAIRS: u32 = 4u;

// The largest number.
const LARGEST: f32 = 0x1.fffffep+127;

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
    // What a key must reach.
    least: f32,
}

var<workgroup> near_pairs: array<u32, PAIRS>;
var<workgroup> values: array<vec4<f16>, BLOCK_ROWS * STRIDE / 4u>;
// The sums of a matrix of each subgroup.
var<workgroup> strips: array<vec4<f32>, THREADS * SIDE * SIDE / SUBGROUP / 4u>;
var<workgroup> row_terms: array<RowTerms, BLOCK_ROWS>;
var<workgroup> query_terms: array<QueryTerms, BLOCK_QUERIES>;

// The words that a thread's pairs lie in, of which a pair takes one or two.
struct Words {
    low: vec4<u32>,
    high: vec4<u32>,
}

// Where `look_ups` has a thread's pair number `i` of a panel.
fn entry_at(region: u32, panel: u32, i: u32, thread: u32) -> u32 {
    let two = panel * PANEL / 2u + thread / BLOCK_ROWS * THREAD_PAIRS + i;
    return PAIRS + 2u * (region * PANELS * PANEL / 2u + two);
}

// `at` is the thread's row in the first plane of its tile.
fn fetch_words(region: u32, panel: u32, at: u32, thread: u32) -> Words {
    var words: Words;
    for (var i = 0u; i < THREAD_PAIRS; i++) {
        let start = look_ups[entry_at(region, panel, i, thread)] & 0xfffffu;
        let word = start / 32u;
        // No look-up reads beyond the last one.
        let next = min(word + 1u, CODE_WORDS - 1u);
        words.low[i] = planes[at + word * TILE];
        words.high[i] = planes[at + next * TILE];
    }
    return words;
}

fn pair(entry: u32, low: u32, high: u32) -> vec2<f32> {
    let bits = look_ups[entry];
    let shift = bits % 32u;
    let found = (low >> shift | (high << 1u) << (31u - shift)) << (bits >> 20u & 0xfu);
    let index = look_ups[entry + 1u] + (found & ((1u << (bits >> 24u)) - 1u));
    return unpack2x16float(near_pairs[index]);
}

fn look_up(region: u32, panel: u32, words: Words, thread: u32) {
    let first = (thread % BLOCK_ROWS * STRIDE + thread / BLOCK_ROWS * 2u * THREAD_PAIRS) / 4u;
    for (var i = 0u; i < THREAD_PAIRS; i += 2u) {
        let entry = entry_at(region, panel, i, thread);
        let a = pair(entry, words.low[i], words.high[i]);
        let b = pair(entry + 2u, words.low[i + 1u], words.high[i + 1u]);
        values[first + i / 2u] = vec4<f16>(vec4<f32>(a, b));
    }
}

fn row_matrix(row: u32, value: u32) -> RowMatrix {
    return coopLoadT<RowMatrix>(&values[(row * STRIDE + value) / 4u], STRIDE / 4u);
}

fn query_matrix(number: u32) -> QueryMatrix {
    return coopLoad<QueryMatrix>(&queries[number * SIDE * SIDE / 4u], SIDE / 4u);
}

// The least key that reaches a threshold. Keys are smaller than LARGEST: they all reach the threshold that there is
// at first, and none that of a query that fills up a block.
fn least_key(threshold: u32) -> f32 {
    return unordered(clamp(threshold, ordered(-LARGEST), ordered(LARGEST)));
}

// Offers the sums of 16 rows from `row` on with the subgroup's queries. A thread has one query of them.
fn offer_sums(sums: Sums, row: u32, rows: u32, group: u32, thread: u32) {
    let strip = thread / SUBGROUP * SIDE * SIDE;
    coopStoreT(sums, &strips[strip / 4u], SIDE / 4u);
    workgroupBarrier();
    let column = thread % SIDE;
    let query = thread / SUBGROUP * SIDE + column;
    let q = query_terms[query];
    for (var i = thread % SUBGROUP / SIDE; i < SIDE; i += SUBGROUP / SIDE) {
        if row + i < rows {
            let of_row = row_terms[row + i];
            let sum = strips[(strip + i * SIDE + column) / 4u][column % 4u] * q.scale;
            let key = of_row.terms.latents * sum
                + (of_row.terms.center * q.center + of_row.terms.offset);
            if key >= q.least {
                offer(group * BLOCK_QUERIES + query, ordered(q.least), key, of_row.number);
            }
        }
    }
    workgroupBarrier();
}

// Scores the rows of a tile from `block` on.
fn score_block(tile: u32, region: u32, block: u32, rows: u32, group: u32, thread: u32) {
    let first_row = tile * PLANES * TILE + block;
    if thread < BLOCK_ROWS {
        row_terms[thread].terms = terms(first_row + thread + CODE_WORDS * TILE);
        row_terms[thread].number = row_number(tile, block + thread, first_row + thread);
    }
    let at = first_row + thread % BLOCK_ROWS;
    let block_matrices = (group * REGIONS + region) * BLOCK_QUERIES / SIDE;
    let matrices = (block_matrices + thread / SUBGROUP) * (PANELS * PANEL / SIDE);
    var a = Sums();
    var b = Sums();
    var c = Sums();
    var d = Sums();
    var e = Sums();
    var f = Sums();
    var g = Sums();
    var h = Sums();
    var words = fetch_words(region, 0u, at, thread);
    for (var panel = 0u; panel < PANELS; panel++) {
        look_up(region, panel, words, thread);
        workgroupBarrier();
        // The last panel is fetched once more.
        words = fetch_words(region, min(panel + 1u, PANELS - 1u), at, thread);
        for (var k = 0u; k < PANEL / SIDE; k++) {
            let q = query_matrix(matrices + panel * PANEL / SIDE + k);
            a = coopMultiplyAdd(row_matrix(0u, k * SIDE), q, a);
            b = coopMultiplyAdd(row_matrix(SIDE, k * SIDE), q, b);
            c = coopMultiplyAdd(row_matrix(2u * SIDE, k * SIDE), q, c);
            d = coopMultiplyAdd(row_matrix(3u * SIDE, k * SIDE), q, d);
            e = coopMultiplyAdd(row_matrix(4u * SIDE, k * SIDE), q, e);
            f = coopMultiplyAdd(row_matrix(5u * SIDE, k * SIDE), q, f);
            g = coopMultiplyAdd(row_matrix(6u * SIDE, k * SIDE), q, g);
            h = coopMultiplyAdd(row_matrix(7u * SIDE, k * SIDE), q, h);
        }
        workgroupBarrier();
    }
    let left = rows - block;
    offer_sums(a, 0u, left, group, thread);
    offer_sums(b, SIDE, left, group, thread);
    offer_sums(c, 2u * SIDE, left, group, thread);
    offer_sums(d, 3u * SIDE, left, group, thread);
    offer_sums(e, 4u * SIDE, left, group, thread);
    offer_sums(f, 5u * SIDE, left, group, thread);
    offer_sums(g, 6u * SIDE, left, group, thread);
    offer_sums(h, 7u * SIDE, left, group, thread);
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
            query_terms[thread] = QueryTerms(c.x, c.y, least_key(lists[query].threshold));
        }
        workgroupBarrier();
        for (var block = 0u; block < rows; block += BLOCK_ROWS) {
            score_block(tile, region, block, rows, group.y, thread);
        }
    }
}
