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
    next_strip(group, thread, 1u, s.b, b);
    next_strip(group, thread, 2u, s.c, b);
    next_strip(group, thread, 3u, s.d, b);
    next_strip(group, thread, 4u, s.e, b);
    next_strip(group, thread, 5u, s.f, b);
    next_strip(group, thread, 6u, s.g, b);
    next_strip(group, thread, 7u, s.h, b);
}

fn rescaled(sum: vec4<f32>, row: u32) -> vec4<f32> {
    return UNIT * sum;
}

alias Kept = Sums;

fn put_x(at: u32, x: vec4<f32>, unit: f32) -> u32 {
    put(at, vec4<f16>(x));
    return 0u;
}

fn multiply(sums: ptr<function, Kept>, at: u32, matrix: u32) {
    let w = right(matrix);
    (*sums).a = coopMultiplyAdd(left(at), w, (*sums).a);
    (*sums).b = coopMultiplyAdd(left(at + BELOW), w, (*sums).b);
    (*sums).c = coopMultiplyAdd(left(at + 2u * BELOW), w, (*sums).c);
    (*sums).d = coopMultiplyAdd(left(at + 3u * BELOW), w, (*sums).d);
    (*sums).e = coopMultiplyAdd(left(at + 4u * BELOW), w, (*sums).e);
    (*sums).f = coopMultiplyAdd(left(at + 5u * BELOW), w, (*sums).f);
    (*sums).g = coopMultiplyAdd(left(at + 6u * BELOW), w, (*sums).g);
    (*sums).h = coopMultiplyAdd(left(at + 7u * BELOW), w, (*sums).h);
}

fn product(group: vec2<u32>, thread: u32) -> Sums {
    var sums: Sums;
    walk(group, thread, vec4<f32>(1.0), &sums);
    return sums;
}
