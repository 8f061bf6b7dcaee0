// Codes' product, written out: a H200's compiler decodes 600 M rows/s so and 571 by calls, but encodes
// 413 so and 588 by calls.

fn put_x(at: u32, raw: Raw, inside: bool) {
    put(at, vec4<f16>(select(vec4<f32>(), unpack(raw), inside)));
}

fn product(group: vec2<u32>, thread: u32) -> Sums {
    var s: Sums;
    let first = first_matrix(group, thread);
    let i4 = thread % STEP4;
    let at = brought(thread) * STRIDE + 4u * i4;
    var fetched = fetch_step(group, thread, 0u);
    for (var step4 = 0u; step4 < INPUTS4; step4 += STEP4) {
        // Beyond the last input x is zero, whatever stands there in memory.
        let inside = step4 + i4 < INPUTS4;
        put_x(at.x, fetched.a, inside);
        if ROWS > AT_ONCE {
            put_x(at.y, fetched.b, inside);
        }
        if ROWS > 2u * AT_ONCE {
            put_x(at.z, fetched.c, inside);
            put_x(at.w, fetched.d, inside);
        }
        workgroupBarrier();
        // The next step's values are under way while this one's are multiplied.
        if step4 + STEP4 < INPUTS4 {
            fetched = fetch_step(group, thread, step4 + STEP4);
        }
        let matrix = first + 4u * step4 / SIDE;
        let w = right(matrix);
        s.a = coopMultiplyAdd(left(0u), w, s.a);
        s.b = coopMultiplyAdd(left(BELOW), w, s.b);
        s.c = coopMultiplyAdd(left(2u * BELOW), w, s.c);
        s.d = coopMultiplyAdd(left(3u * BELOW), w, s.d);
        s.e = coopMultiplyAdd(left(4u * BELOW), w, s.e);
        s.f = coopMultiplyAdd(left(5u * BELOW), w, s.f);
        s.g = coopMultiplyAdd(left(6u * BELOW), w, s.g);
        s.h = coopMultiplyAdd(left(7u * BELOW), w, s.h);
        let v = right(matrix + 1u);
        s.a = coopMultiplyAdd(left(SIDE), v, s.a);
        s.b = coopMultiplyAdd(left(SIDE + BELOW), v, s.b);
        s.c = coopMultiplyAdd(left(SIDE + 2u * BELOW), v, s.c);
        s.d = coopMultiplyAdd(left(SIDE + 3u * BELOW), v, s.d);
        s.e = coopMultiplyAdd(left(SIDE + 4u * BELOW), v, s.e);
        s.f = coopMultiplyAdd(left(SIDE + 5u * BELOW), v, s.f);
        s.g = coopMultiplyAdd(left(SIDE + 6u * BELOW), v, s.g);
        s.h = coopMultiplyAdd(left(SIDE + 7u * BELOW), v, s.h);
        workgroupBarrier();
    }
    return s;
}
