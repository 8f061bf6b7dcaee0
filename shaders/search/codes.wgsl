// Codes as planes of words, and the queries that they are multiplied with.
// gives: TILE, ROWS, WORKGROUP, CODE_WORDS, VALUES4, planes, queries

// H200, 5 million rows of 64 bytes, one query: 0.9 ms with these sizes, and 1.6 ms with tiles of 256 rows, two
// rows per thread. Each workgroup copies its tables once, for all of its rows.
const TILE: u32 = 1024u;
// Rows of a tile per thread.
const ROWS: u32 = 4u;
const WORKGROUP: u32 = TILE / ROWS;

override CODE_WORDS: u32;
// Values of a query in a region, in fours.
override VALUES4: u32;

@group(0) @binding(2) var<storage, read> planes: array<u32>;
@group(0) @binding(3) var<storage, read> queries: array<vec4<f32>>;
