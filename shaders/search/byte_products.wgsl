// Products of one query with scalar codes, of which no latent crosses a byte: a look-up for each byte, however
// many latents it has.
//     products[row] = step sum_b table[b][byte b of the row] + least
// Entries have 16 bits, so that the tables of 64 bytes take 32 KB of workgroup memory. Their sums are exact.
// needs: TILE, ROWS, WORKGROUP, CODE_WORDS, REGIONS, VALUES4, planes, queries, Sum
// gives: prepare, prepare_region, products

// Words of the tables of all bytes: 128 for each, and for those that fill up the last four words of the codes.
override TABLE_WORDS: u32;

@group(0) @binding(5) var<storage, read> byte_tables: array<vec4<u32>>;

var<workgroup> near_tables: array<u32, TABLE_WORDS>;

fn prepare(thread: u32) {
}

// Copies the tables of a region, once all threads are done with those of another one.
fn prepare_region(region: u32, query: u32, thread: u32) {
    workgroupBarrier();
    let first = (query * REGIONS + region) * (TABLE_WORDS / 4u);
    for (var i = thread; i < TABLE_WORDS / 4u; i += WORKGROUP) {
        let words = byte_tables[first + i];
        near_tables[4u * i] = words.x;
        near_tables[4u * i + 1u] = words.y;
        near_tables[4u * i + 2u] = words.z;
        near_tables[4u * i + 3u] = words.w;
    }
    workgroupBarrier();
}

// What the lowest byte of `bits` adds, by the table that begins at `table`. Bytes from 128 on have the upper halves.
fn entry(table: u32, bits: u32) -> u32 {
    return (near_tables[table + (bits & 127u)] >> ((bits & 128u) >> 3u)) & 0xffffu;
}

// What the four bytes of a word add.
fn entries(table: u32, bits: u32) -> u32 {
    return entry(table, bits) + entry(table + 128u, bits >> 8u)
        + entry(table + 256u, bits >> 16u) + entry(table + 384u, bits >> 24u);
}

// The products of the thread's rows, whose first words are at `at`, with the query at `values`.
// Four words of each row are loaded at once, so that the look-ups need not wait for each. Tables are there for
// fours of words: entries of words that rows do not have are zeros.
// H200, 16 queries of 10 million rows of 64 bytes: 14.7 ms with a word at a time and 256 threads, which look-ups did
// not limit (12.0 without any), 10.9 ms with four words, 6.6 ms with four words and 512 threads, for which
// workgroup memory has as many tables.
fn products(region: u32, at: u32, values: u32) -> array<Sum, ROWS> {
    var counts: array<u32, ROWS>;
    for (var word = 0u; word < CODE_WORDS; word += 4u) {
        var bits: array<vec4<u32>, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            let row = at + r * WORKGROUP;
            bits[r] = vec4<u32>(
                planes[row + word * TILE],
                planes[row + min(word + 1u, CODE_WORDS - 1u) * TILE],
                planes[row + min(word + 2u, CODE_WORDS - 1u) * TILE],
                planes[row + min(word + 3u, CODE_WORDS - 1u) * TILE],
            );
        }
        let table = word * 512u;
        for (var r = 0u; r < ROWS; r++) {
            counts[r] += entries(table, bits[r].x) + entries(table + 512u, bits[r].y)
                + entries(table + 1024u, bits[r].z) + entries(table + 1536u, bits[r].w);
        }
    }
    let scale = queries[values + VALUES4];
    var sums: array<Sum, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        sums[r] = scale.y * f32(counts[r]) + scale.z;
    }
    return sums;
}
