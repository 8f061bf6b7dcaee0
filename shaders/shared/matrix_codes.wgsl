// A tile that holds its rows' whole latents: neighbouring threads quantise a row.

const QUANTISED: bool = true;

fn store_strip(group: vec2<u32>, thread: u32, down: u32, sum: Sum, b: vec4<f32>) {
    strip(thread, sum);
    for (var item = thread; item < SIDE * WIDE4; item += THREADS) {
        let o4 = item % WIDE4;
        let z = strip_value(down, item, b);
        var largest = select(0u, magnitude(z), o4 < OUTPUTS4);
        for (var other = 1u; other < WIDE4; other *= 2u) {
            largest = max(largest, subgroupShuffleXor(largest, other));
        }
        store(group.y * ROWS + down * SIDE + item / WIDE4, o4, z, scale_of(largest));
    }
}
