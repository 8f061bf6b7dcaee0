// The product of values and streams, by calls: see `matrix_written.wgsl`.

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
