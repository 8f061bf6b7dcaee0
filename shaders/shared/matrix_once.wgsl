// Factors rounded to f16.

const STEP: u32 = 2u * SIDE;
const TILES: u32 = 1u;
const DOWN: u32 = 8u;

struct Sums {
    a: Sum,
    b: Sum,
    c: Sum,
    d: Sum,
    e: Sum,
    f: Sum,
    g: Sum,
    h: Sum,
}

fn store_strips(group: vec2<u32>, thread: u32, s: Sums, b: vec4<f32>) {
    store_strip(group, thread, 0u, s.a, b);
    store_strip(group, thread, 1u, s.b, b);
    store_strip(group, thread, 2u, s.c, b);
    store_strip(group, thread, 3u, s.d, b);
    store_strip(group, thread, 4u, s.e, b);
    store_strip(group, thread, 5u, s.f, b);
    store_strip(group, thread, 6u, s.g, b);
    store_strip(group, thread, 7u, s.h, b);
}

fn rescaled(sum: vec4<f32>, row: u32) -> vec4<f32> {
    return UNIT * sum;
}
