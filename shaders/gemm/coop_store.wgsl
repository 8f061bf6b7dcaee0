// The end of a GEMM on cooperative matrices: strips are stored.
// needs: THREADS, SIDE, TILE_M, TILE_N4, Accumulator, store_strip_sums, strip_value, store
// gives: QUANTIZES, store_strip

const QUANTIZES: bool = false;

// Both values are computed before the first is stored, because no read passes a write.
fn store_strip(group: vec2<u32>, thread: u32, strip: u32, sum: Accumulator, b: vec4<f32>) {
    store_strip_sums(thread, sum);
    let row = group.y * TILE_M + strip * SIDE + thread / TILE_N4;
    let o4 = group.x * TILE_N4 + thread % TILE_N4;
    if SIDE * TILE_N4 > THREADS {
        let first = strip_value(strip, thread, b);
        let second = strip_value(strip, thread + THREADS, b);
        store(row, o4, first);
        store(row + THREADS / TILE_N4, o4, second);
    } else if thread < SIDE * TILE_N4 {
        store(row, o4, strip_value(strip, thread, b));
    }
}
