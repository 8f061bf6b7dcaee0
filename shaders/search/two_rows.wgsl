// Two rows of a tile per thread: a workgroup of 512 threads, which not every adapter has.
// gives: ROWS

const ROWS: u32 = 2u;
