// Products of one query with scalar codes, of which no latent crosses a byte: a look-up for each bundle of neighbouring
// latents, whose bits together select what they add (src/gpu/search/bundles.rs).
//     products[row] = sum_s table[s][bits of the row in bundle s]
// All threads of a subgroup look into the same table, whose entries are spread over 32 memory banks: look-ups of up to 5
// bits do not wait for each other, of 6 bits they take twice as long, and of 8 bits 3.5 times.
// The bundles are known when the shader is compiled, and are the same in all regions. H200, 10 million rows of 64
// bytes: 0.27 ms. With bundles of each region's own, read from uniform memory, it takes 0.36 ms, and with divisions of
// words to choose from, by a branch for each word, 0.32 ms.
// Words and bundles are written out: compilers leave a loop over words as it is, which takes 0.36 ms.
// needs: TILE, ROWS, WORKGROUP, CODE_WORDS, REGIONS, planes, Sum
// gives: prepare, prepare_region, products

// The bits of each word with which a bundle begins; 0 of words that there are not.
override STARTS_0: u32;
override STARTS_1: u32;
override STARTS_2: u32;
override STARTS_3: u32;
override STARTS_4: u32;
override STARTS_5: u32;
override STARTS_6: u32;
override STARTS_7: u32;
override STARTS_8: u32;
override STARTS_9: u32;
override STARTS_10: u32;
override STARTS_11: u32;
override STARTS_12: u32;
override STARTS_13: u32;
override STARTS_14: u32;
override STARTS_15: u32;
override STARTS_16: u32;
override STARTS_17: u32;
override STARTS_18: u32;
override STARTS_19: u32;
override STARTS_20: u32;
override STARTS_21: u32;
override STARTS_22: u32;
override STARTS_23: u32;
override STARTS_24: u32;
override STARTS_25: u32;
override STARTS_26: u32;
override STARTS_27: u32;
override STARTS_28: u32;
override STARTS_29: u32;
override STARTS_30: u32;
override STARTS_31: u32;
override STARTS_32: u32;
override STARTS_33: u32;
override STARTS_34: u32;
override STARTS_35: u32;
override STARTS_36: u32;
override STARTS_37: u32;
override STARTS_38: u32;
override STARTS_39: u32;
override STARTS_40: u32;
override STARTS_41: u32;
override STARTS_42: u32;
override STARTS_43: u32;
override STARTS_44: u32;
override STARTS_45: u32;
override STARTS_46: u32;
override STARTS_47: u32;
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

// Here and below, `starts` are the bits with which a word's bundles begin. The first bundle is that of the lowest.

// Bits of the first bundle.
fn bits(starts: u32) -> u32 {
    let rest = starts & (starts - 1u);
    return select(firstTrailingBit(rest), 32u, rest == 0u) - firstTrailingBit(starts);
}

// Entries of the table of the first bundle; 0 if there is none.
fn size(starts: u32) -> u32 {
    return select(1u << bits(starts), 0u, starts == 0u);
}

// Adds what the first bundle adds, if there is one. `table` is where its table begins.
fn add_bundle(starts: u32, table: u32, words: array<u32, ROWS>, before: array<Sum, ROWS>) -> array<Sum, ROWS> {
    if starts == 0u {
        return before;
    }
    var sums = before;
    for (var r = 0u; r < ROWS; r++) {
        let found = words[r] >> firstTrailingBit(starts) & ((1u << bits(starts)) - 1u);
        sums[r] += near_tables[table + found];
    }
    return sums;
}

// Adds what one word per row adds, for all of the thread's rows. A word has eight bundles at most.
fn add_word(starts: u32, table: u32, words: array<u32, ROWS>, before: array<Sum, ROWS>) -> array<Sum, ROWS> {
    var rest = starts;
    var at = table;
    var sums = add_bundle(rest, at, words, before);
    at += size(rest);
    rest &= rest - 1u;
    sums = add_bundle(rest, at, words, sums);
    at += size(rest);
    rest &= rest - 1u;
    sums = add_bundle(rest, at, words, sums);
    at += size(rest);
    rest &= rest - 1u;
    sums = add_bundle(rest, at, words, sums);
    at += size(rest);
    rest &= rest - 1u;
    sums = add_bundle(rest, at, words, sums);
    at += size(rest);
    rest &= rest - 1u;
    sums = add_bundle(rest, at, words, sums);
    at += size(rest);
    rest &= rest - 1u;
    sums = add_bundle(rest, at, words, sums);
    at += size(rest);
    rest &= rest - 1u;
    sums = add_bundle(rest, at, words, sums);
    return sums;
}

// Entries of all tables of a word.
fn size_of_word(starts: u32) -> u32 {
    var rest = starts;
    var all = size(rest);
    rest &= rest - 1u;
    all += size(rest);
    rest &= rest - 1u;
    all += size(rest);
    rest &= rest - 1u;
    all += size(rest);
    rest &= rest - 1u;
    all += size(rest);
    rest &= rest - 1u;
    all += size(rest);
    rest &= rest - 1u;
    all += size(rest);
    rest &= rest - 1u;
    all += size(rest);
    return all;
}

// The thread's rows' words of this number, or their last ones.
fn words_at(at: u32, word: u32) -> array<u32, ROWS> {
    var words: array<u32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        words[r] = planes[at + r * WORKGROUP + min(word, CODE_WORDS - 1u) * TILE];
    }
    return words;
}

// Adds what four words add, which are loaded at once, so that the look-ups need not wait for each.
fn add_four(word: u32, starts: vec4<u32>, table: u32, at: u32, before: array<Sum, ROWS>) -> array<Sum, ROWS> {
    let a = words_at(at, word);
    let b = words_at(at, word + 1u);
    let c = words_at(at, word + 2u);
    let d = words_at(at, word + 3u);
    let table_b = table + size_of_word(starts.x);
    let table_c = table_b + size_of_word(starts.y);
    let table_d = table_c + size_of_word(starts.z);
    var sums = add_word(starts.x, table, a, before);
    sums = add_word(starts.y, table_b, b, sums);
    sums = add_word(starts.z, table_c, c, sums);
    return add_word(starts.w, table_d, d, sums);
}

fn size_of_four(starts: vec4<u32>) -> u32 {
    return size_of_word(starts.x) + size_of_word(starts.y) + size_of_word(starts.z)
        + size_of_word(starts.w);
}

// The products of the thread's rows, whose first words are at `at`, with the query.
fn products(region: u32, at: u32, values: u32) -> array<Sum, ROWS> {
    var sums: array<Sum, ROWS>;
    var table = 0u;
    var starts = vec4<u32>();
    if CODE_WORDS > 0u {
        starts = vec4<u32>(STARTS_0, STARTS_1, STARTS_2, STARTS_3);
        sums = add_four(0u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 4u {
        starts = vec4<u32>(STARTS_4, STARTS_5, STARTS_6, STARTS_7);
        sums = add_four(4u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 8u {
        starts = vec4<u32>(STARTS_8, STARTS_9, STARTS_10, STARTS_11);
        sums = add_four(8u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 12u {
        starts = vec4<u32>(STARTS_12, STARTS_13, STARTS_14, STARTS_15);
        sums = add_four(12u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 16u {
        starts = vec4<u32>(STARTS_16, STARTS_17, STARTS_18, STARTS_19);
        sums = add_four(16u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 20u {
        starts = vec4<u32>(STARTS_20, STARTS_21, STARTS_22, STARTS_23);
        sums = add_four(20u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 24u {
        starts = vec4<u32>(STARTS_24, STARTS_25, STARTS_26, STARTS_27);
        sums = add_four(24u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 28u {
        starts = vec4<u32>(STARTS_28, STARTS_29, STARTS_30, STARTS_31);
        sums = add_four(28u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 32u {
        starts = vec4<u32>(STARTS_32, STARTS_33, STARTS_34, STARTS_35);
        sums = add_four(32u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 36u {
        starts = vec4<u32>(STARTS_36, STARTS_37, STARTS_38, STARTS_39);
        sums = add_four(36u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 40u {
        starts = vec4<u32>(STARTS_40, STARTS_41, STARTS_42, STARTS_43);
        sums = add_four(40u, starts, table, at, sums);
        table += size_of_four(starts);
    }
    if CODE_WORDS > 44u {
        starts = vec4<u32>(STARTS_44, STARTS_45, STARTS_46, STARTS_47);
        sums = add_four(44u, starts, table, at, sums);
    }
    return sums;
}
