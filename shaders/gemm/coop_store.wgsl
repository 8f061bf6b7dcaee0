// The end of a GEMM on cooperative matrices: strips are stored.
// needs: Tile, stored_row, THREADS, SIDE, TILE_N4, Accumulator, store_strip_sums, strip_value, store
// gives: QUANTIZES, store_strip

const QUANTIZES: bool = false;

// Both values are computed before the first is stored, because no read passes a write.
fn store_strip(tile: Tile, thread: u32, strip: u32, sum: Accumulator, b: vec4<f32>) {
    store_strip_sums(thread, sum);
    let row = strip * SIDE + thread / TILE_N4;
    let o4 = tile.column * TILE_N4 + thread % TILE_N4;
    if SIDE * TILE_N4 > THREADS {
        let first = strip_value(strip, thread, b);
        let second = strip_value(strip, thread + THREADS, b);
        store(stored_row(tile, row), o4, first);
        store(stored_row(tile, row + THREADS / TILE_N4), o4, second);
    } else if thread < SIDE * TILE_N4 {
        store(stored_row(tile, row), o4, strip_value(strip, thread, b));
    }
}
