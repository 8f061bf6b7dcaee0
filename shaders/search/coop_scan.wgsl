// Scores rows of bit codes with many queries, on cooperative matrices of 16 x 16 with f16 operands and an f32
// accumulator. A workgroup takes every so many tiles. Of a tile it scores BLOCK_ROWS rows at a time with
// BLOCK_QUERIES queries, 16 of them on each subgroup:
//     fetch the words and the queries of the first panel
//     for each panel of PANEL values:
//         look the values of all rows up, into workgroup memory; barrier
//         fetch the words of the next panel
//         multiply all rows with the subgroup's queries, and fetch the next ones; barrier
//     for each matrix of sums: pass it through workgroup memory; key = a sum + b center + o; offer
// H200, 2 million rows of one region and 288 values, 256 queries: 2.09 ms, or 245 billion rows times queries a second.
// 1. A row is looked up once for BLOCK_QUERIES queries. Matrices of queries come from memory, those of rows from
//    workgroup memory. So a subgroup has one matrix of queries for eight of rows, and no two subgroups load the
//    same queries. With four matrices of rows and two of queries the scan takes a tenth longer; blocks of half as many
//    queries and threads take 1.4 times as long.
// 2. Words and matrices of queries of a panel are on their way while the panel before it is multiplied. Without that
//    for queries, the scan takes 0.3 ms longer. Two buffers of values, to look up one panel beside the products
//    of another, take 0.2 ms longer: that many registers leave no room for what is on its way.
// 3. Of a matrix of sums, a subgroup waits for itself alone (0.2 ms).
// 4. Few keys reach their threshold. A thread takes the largest of its eight keys of a matrix first (0.1 ms), and keys
//    become ordered bits only if they reach it.
// 5. Values are exact in f16. A query is rounded, after it was scaled so that its largest value lies between
//    2^13 and 2^14. `slack` has room for the rounding.
// Products alone take 1.5 to 1.7 ms. Look-ups and keys hide behind them in part: registers have no room for a second
// workgroup on a core.
// look_ups: the pairs of values, two f16 in a word, four words at a time; then for each two values of a region
// [REGIONS, PANELS * PANEL / 2] two words: the first bit in 20 bits, above it the zeros before it in 4 bits, above
// them how many bits there are; and where the table begins.
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
// Two matrices.
const PANEL: u32 = 32u;
// Rows of a panel are padded, so that they begin in different memory banks.
const STRIDE: u32 = PANEL + 8u;
// Pairs of values that a thread looks up for its row. Other threads have the row's other ones.
const THREAD_PAIRS: u32 = 4u;
// Threads that have the same query of a subgroup, each every so many rows of a matrix.
const QUERY_THREADS: u32 = SUBGROUP / SIDE;

// The largest number.
const LARGEST: f32 = 0x1.fffffep+127;
// What all keys are above.
const LEAST: f32 = -0x1.p+126;

alias RowMatrix = coop_mat16x16<f16, A>;
alias QueryMatrix = coop_mat16x16<f16, B>;
alias Sums = coop_mat16x16<f32, C>;

// Words of `look_ups` that hold pairs.
override PAIRS: u32;
// Panels of values.
override PANELS: u32;

@group(0) @binding(3) var<storage, read> queries: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read> look_ups: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> centers: array<vec2<f32>>;

struct QueryTerms {
    center: f32,
    scale: f32,
    // What a key must reach.
    least: f32,
}

var<workgroup> near_pairs: array<vec2<f16>, PAIRS>;
var<workgroup> values: array<vec4<f16>, BLOCK_ROWS * STRIDE / 4u>;
// The sums of a matrix of each subgroup.
var<workgroup> strips: array<f32, THREADS / SUBGROUP * SIDE * SIDE>;
// The bits of the terms of a row, and its number. Blocks take turns at the halves: when a half is written again, all
// subgroups are done with it.
var<workgroup> row_terms: array<vec4<u32>, 2u * BLOCK_ROWS>;
var<workgroup> query_terms: array<QueryTerms, BLOCK_QUERIES>;

// How a thread's pairs of a panel are looked up, two in a vec4.
struct LookUps {
    low: vec4<u32>,
    high: vec4<u32>,
}

// The words that they lie in, of which a pair takes one or two.
struct Words {
    low: vec4<u32>,
    high: vec4<u32>,
}

fn fetch_look_ups(region: u32, panel: u32, thread: u32) -> LookUps {
    let pair = panel * PANEL / 2u + thread / BLOCK_ROWS * THREAD_PAIRS;
    let at = PAIRS / 4u + (region * PANELS * PANEL / 2u + pair) / 2u;
    return LookUps(look_ups[at], look_ups[at + 1u]);
}

// `at` is the thread's row in the first plane of its tile.
fn fetch_words(wanted: LookUps, at: u32) -> Words {
    let starts = vec4<u32>(wanted.low.xz, wanted.high.xz) & vec4<u32>(0xfffffu);
    var words: Words;
    for (var i = 0u; i < THREAD_PAIRS; i++) {
        let word = starts[i] / 32u;
        // No look-up reads beyond the last one.
        let next = min(word + 1u, CODE_WORDS - 1u);
        words.low[i] = planes[at + word * TILE];
        words.high[i] = planes[at + next * TILE];
    }
    return words;
}

fn pair(look_up: vec2<u32>, low: u32, high: u32) -> vec2<f16> {
    let bits = look_up.x;
    let shift = bits % 32u;
    let found = (low >> shift | (high << 1u) << (31u - shift)) << (bits >> 20u & 0xfu);
    return near_pairs[look_up.y + (found & ((1u << (bits >> 24u)) - 1u))];
}

fn look_up(wanted: LookUps, words: Words, thread: u32) {
    let first = (thread % BLOCK_ROWS * STRIDE + thread / BLOCK_ROWS * 2u * THREAD_PAIRS) / 4u;
    let a = pair(wanted.low.xy, words.low.x, words.high.x);
    let b = pair(wanted.low.zw, words.low.y, words.high.y);
    values[first] = vec4<f16>(a, b);
    let c = pair(wanted.high.xy, words.low.z, words.high.z);
    let d = pair(wanted.high.zw, words.low.w, words.high.w);
    values[first + 1u] = vec4<f16>(c, d);
}

fn row_matrix(row: u32, value: u32) -> RowMatrix {
    return coopLoadT<RowMatrix>(&values[(row * STRIDE + value) / 4u], STRIDE / 4u);
}

fn query_matrix(number: u32) -> QueryMatrix {
    return coopLoad<QueryMatrix>(&queries[number * SIDE * SIDE / 4u], SIDE / 4u);
}

// The least key that reaches a threshold. All keys reach the threshold that there is at first, and none that of a
// query that fills up a block.
fn least_key(threshold: u32) -> f32 {
    return unordered(clamp(threshold, ordered(LEAST), ordered(LARGEST)));
}

fn put_query_terms(region: u32, group: u32, thread: u32) {
    workgroupBarrier();
    if thread < BLOCK_QUERIES {
        let query = group * BLOCK_QUERIES + thread;
        let c = centers[query * REGIONS + region];
        query_terms[thread] = QueryTerms(c.x, c.y, least_key(lists[query].threshold));
    }
    workgroupBarrier();
}

// The terms of the block's rows, into the half of `row_terms` that begins at `half`. A row that is not there has a key
// below all others.
fn put_row_terms(tile: u32, block: u32, rows: u32, half: u32, thread: u32) {
    if thread >= BLOCK_ROWS {
        return;
    }
    let first_row = tile * PLANES * TILE + block;
    var t = Terms(0.0, 0.0, -LARGEST);
    if block + thread < rows {
        t = terms(first_row + thread + CODE_WORDS * TILE);
    }
    let number = row_number(tile, block + thread, first_row + thread);
    let floats = vec3<f32>(t.latents, t.center, t.offset);
    row_terms[half + thread] = vec4<u32>(bitcast<vec3<u32>>(floats), number);
}

fn key_of(of_row: vec4<u32>, sum: f32, q: QueryTerms) -> f32 {
    let t = bitcast<vec3<f32>>(of_row.xyz);
    return t.x * (sum * q.scale) + (t.y * q.center + t.z);
}

// Offers the sums of 16 rows, the first of which has its terms at `row`, with a query of the subgroup's.
fn offer_sums(sums: Sums, q: QueryTerms, row: u32, group: u32, thread: u32) {
    let strip = thread / SUBGROUP * SIDE * SIDE;
    coopStoreT(sums, &strips[strip], SIDE);
    subgroupBarrier();
    let first = thread % SUBGROUP / SIDE;
    let column = strip + thread % SIDE;
    var best = -LARGEST;
    for (var i = 0u; i < SIDE; i += QUERY_THREADS) {
        best = max(best, key_of(row_terms[row + first + i], strips[column + (first + i) * SIDE], q));
    }
    if best >= q.least {
        let query = group * BLOCK_QUERIES + thread / SUBGROUP * SIDE + thread % SIDE;
        for (var i = first; i < SIDE; i += QUERY_THREADS) {
            let of_row = row_terms[row + i];
            let key = key_of(of_row, strips[column + i * SIDE], q);
            if key >= q.least {
                offer(query, ordered(q.least), key, of_row.w);
            }
        }
    }
    subgroupBarrier();
}

// Scores the rows of a tile from `block` on.
fn score_block(tile: u32, region: u32, block: u32, rows: u32, half: u32, group: u32, thread: u32) {
    put_row_terms(tile, block, rows, half, thread);
    let at = tile * PLANES * TILE + block + thread % BLOCK_ROWS;
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
    var first = query_matrix(matrices);
    var second = query_matrix(matrices + 1u);
    var wanted = fetch_look_ups(region, 0u, thread);
    var words = fetch_words(wanted, at);
    for (var panel = 0u; panel < PANELS; panel++) {
        look_up(wanted, words, thread);
        workgroupBarrier();
        // The last panel is fetched once more.
        let next = min(panel + 1u, PANELS - 1u);
        wanted = fetch_look_ups(region, next, thread);
        words = fetch_words(wanted, at);
        a = coopMultiplyAdd(row_matrix(0u, 0u), first, a);
        b = coopMultiplyAdd(row_matrix(SIDE, 0u), first, b);
        c = coopMultiplyAdd(row_matrix(2u * SIDE, 0u), first, c);
        d = coopMultiplyAdd(row_matrix(3u * SIDE, 0u), first, d);
        e = coopMultiplyAdd(row_matrix(4u * SIDE, 0u), first, e);
        f = coopMultiplyAdd(row_matrix(5u * SIDE, 0u), first, f);
        g = coopMultiplyAdd(row_matrix(6u * SIDE, 0u), first, g);
        h = coopMultiplyAdd(row_matrix(7u * SIDE, 0u), first, h);
        first = query_matrix(matrices + next * PANEL / SIDE);
        a = coopMultiplyAdd(row_matrix(0u, SIDE), second, a);
        b = coopMultiplyAdd(row_matrix(SIDE, SIDE), second, b);
        c = coopMultiplyAdd(row_matrix(2u * SIDE, SIDE), second, c);
        d = coopMultiplyAdd(row_matrix(3u * SIDE, SIDE), second, d);
        e = coopMultiplyAdd(row_matrix(4u * SIDE, SIDE), second, e);
        f = coopMultiplyAdd(row_matrix(5u * SIDE, SIDE), second, f);
        g = coopMultiplyAdd(row_matrix(6u * SIDE, SIDE), second, g);
        h = coopMultiplyAdd(row_matrix(7u * SIDE, SIDE), second, h);
        second = query_matrix(matrices + next * PANEL / SIDE + 1u);
        workgroupBarrier();
    }
    let q = query_terms[thread / SUBGROUP * SIDE + thread % SIDE];
    offer_sums(a, q, half, group, thread);
    offer_sums(b, q, half + SIDE, group, thread);
    offer_sums(c, q, half + 2u * SIDE, group, thread);
    offer_sums(d, q, half + 3u * SIDE, group, thread);
    offer_sums(e, q, half + 4u * SIDE, group, thread);
    offer_sums(f, q, half + 5u * SIDE, group, thread);
    offer_sums(g, q, half + 6u * SIDE, group, thread);
    offer_sums(h, q, half + 7u * SIDE, group, thread);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    for (var i = thread; i < PAIRS; i += THREADS) {
        near_pairs[i] = vec2<f16>(unpack2x16float(look_ups[i / 4u][i % 4u]));
    }
    var known = REGIONS;
    var half = 0u;
    for (var i = group.x; i < round.tile_count; i += round.workgroups) {
        if !is_in_round(i) {
            continue;
        }
        let tile = round.first_tile + i * round.tile_stride;
        let region = tiles[tile] >> 24u;
        let rows = min(tiles[tile] & 0xffffffu, round.tile_rows);
        if region != known {
            known = region;
            put_query_terms(region, group.y, thread);
        }
        for (var block = 0u; block < rows; block += BLOCK_ROWS) {
            score_block(tile, region, block, rows, half, group.y, thread);
            half = BLOCK_ROWS - half;
        }
    }
}
