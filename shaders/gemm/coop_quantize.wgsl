// The end of a GEMM on cooperative matrices whose tile holds all latents of a row: neighbouring
// threads quantise the row.
// needs: Tile, stored_row, THREADS, SIDE, TILE_N4, OUTPUTS4, Accumulator, store_strip_sums, strip_value
// needs: magnitude, scale_of, store_codes
// gives: QUANTIZES, store_strip

const QUANTIZES: bool = true;

fn store_strip(tile: Tile, thread: u32, strip: u32, sum: Accumulator, b: vec4<f32>) {
    store_strip_sums(thread, sum);
    for (var item = thread; item < SIDE * TILE_N4; item += THREADS) {
        let o4 = item % TILE_N4;
        let z = strip_value(strip, item, b);
        var largest = select(0u, magnitude(z), o4 < OUTPUTS4);
        for (var other = 1u; other < TILE_N4; other *= 2u) {
            largest = max(largest, subgroupShuffleXor(largest, other));
        }
        store_codes(stored_row(tile, strip * SIDE + item / TILE_N4), o4, z, scale_of(largest));
    }
}
