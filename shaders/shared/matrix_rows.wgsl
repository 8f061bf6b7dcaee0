// A tile's rows into memory.

const QUANTISED: bool = false;

// Values first: no read passes a write.
fn store_strip(group: vec2<u32>, thread: u32, down: u32, sum: Sum, b: vec4<f32>) {
    strip(thread, sum);
    let row = group.y * ROWS + down * SIDE + thread / WIDE4;
    let o4 = group.x * WIDE4 + thread % WIDE4;
    if SIDE * WIDE4 > THREADS {
        let first = strip_value(down, thread, b);
        let second = strip_value(down, thread + THREADS, b);
        store(row, o4, first);
        store(row + THREADS / WIDE4, o4, second);
    } else if thread < SIDE * WIDE4 {
        store(row, o4, strip_value(down, thread, b));
    }
}
