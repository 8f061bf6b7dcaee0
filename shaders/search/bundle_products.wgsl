// Products of one query with scalar codes, of which no latent crosses a word: a look-up for each bundle of neighbouring
// latents, whose bits together select what they add (src/gpu/search/bundles.rs).
//     products[row] = sum_s table[s][bits of the row in bundle s]
// A word has six bundles, most of at most 6 bits. All threads of a subgroup look into the same table, which then
// takes one or two words of each memory bank: H200, 10 million rows of 64 bytes, 0.32 ms, where a look-up for each
// byte, in tables of 256 entries of 16 bits, takes 0.45 ms.
// How a word is read comes from uniform memory if there is room: 0.38 ms from storage.
// bundles [REGIONS, WORDS, 3]: for the bundles of a word the first bit in 8 bits, above it the mask of the bits; then
// where their tables begin. A table begins at a multiple of its size. Bundles without bits have a table of one zero.
// needs: TILE, ROWS, WORKGROUP, CODE_WORDS, REGIONS, planes, Sum, bundles
// gives: prepare, prepare_region, products

// Words of a row, and what fills up the last four.
override WORDS: u32;
// Entries of all tables of a region, a multiple of four.
override ENTRIES: u32;

@group(0) @binding(5) var<storage, read> bundle_tables: array<vec4<f32>>;

var<workgroup> near_tables: array<f32, ENTRIES>;

fn prepare(thread: u32) {
}

// Copies the tables of a region, once all threads are done with those of another one.
fn prepare_region(region: u32, query: u32, thread: u32) {
    workgroupBarrier();
    let first = (query * REGIONS + region) * (ENTRIES / 4u);
    for (var i = thread; i < ENTRIES / 4u; i += WORKGROUP) {
        let four = bundle_tables[first + i];
        near_tables[4u * i] = four.x;
        near_tables[4u * i + 1u] = four.y;
        near_tables[4u * i + 2u] = four.z;
        near_tables[4u * i + 3u] = four.w;
    }
    workgroupBarrier();
}

// What the bits of a bundle add. `read` is how it is read, and `table` where its table begins.
fn entry(read: u32, table: u32, word: u32) -> f32 {
    return near_tables[table | (word >> (read & 31u) & (read >> 8u))];
}

// What one word per row adds, for all of the thread's rows. `at` is where `bundles` has the word.
fn add_word(at: u32, words: array<u32, ROWS>, before: array<Sum, ROWS>) -> array<Sum, ROWS> {
    let a = bundles[at];
    let b = bundles[at + 1u];
    let c = bundles[at + 2u];
    var sums = before;
    for (var r = 0u; r < ROWS; r++) {
        sums[r] += entry(a.x, b.z, words[r]);
        sums[r] += entry(a.y, b.w, words[r]);
        sums[r] += entry(a.z, c.x, words[r]);
        sums[r] += entry(a.w, c.y, words[r]);
        sums[r] += entry(b.x, c.z, words[r]);
        sums[r] += entry(b.y, c.w, words[r]);
    }
    return sums;
}

// The thread's rows' words of this number, or their last ones.
fn words_at(at: u32, word: u32) -> array<u32, ROWS> {
    var words: array<u32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        words[r] = planes[at + r * WORKGROUP + min(word, CODE_WORDS - 1u) * TILE];
    }
    return words;
}

// The products of the thread's rows, whose first words are at `at`, with the query.
// Four words of each row are loaded at once, so that the look-ups need not wait for each.
fn products(region: u32, at: u32, values: u32) -> array<Sum, ROWS> {
    var sums: array<Sum, ROWS>;
    for (var word = 0u; word < WORDS; word += 4u) {
        let a = words_at(at, word);
        let b = words_at(at, word + 1u);
        let c = words_at(at, word + 2u);
        let d = words_at(at, word + 3u);
        let first = 3u * (region * WORDS + word);
        sums = add_word(first, a, sums);
        sums = add_word(first + 3u, b, sums);
        sums = add_word(first + 6u, c, sums);
        sums = add_word(first + 9u, d, sums);
    }
    return sums;
}
