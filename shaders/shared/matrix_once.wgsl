// Factors rounded to f16.

const STEP: u32 = 32u;
const TILES: u32 = 1u;
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
}

fn product(group: vec2<u32>, thread: u32) -> Sums {
    var sums = nothing();
    walk(group, thread, vec2<f32>(1.0), &sums);
    return sums;
}

fn rescaled(sum: vec4<f32>, row: u32) -> vec4<f32> {
    return UNIT * sum;
}
