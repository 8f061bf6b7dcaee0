// Factors as sums of two f16, which together hold them as f32 does: of the four products the one of
// the rests is beyond f32's last digit, and left out (Ootomo and Yokota, 2022). A matrix of weights is
// followed by its rests.

// Measured on a H200, 768 inputs, million rows a second: latents of 256 values are kept at 135 in
// steps of 32 and at 92 in steps of 16, but 128 values are quantised at 214 and at 257.
const STEP: u32 = select(2u * SIDE, SIDE, QUANTISED);
const TILES: u32 = select(2u, 1u, EXACT);
const DOWN: u32 = 4u;

struct Sums {
    a: Sum,
    b: Sum,
    c: Sum,
    d: Sum,
}

fn store_strips(group: vec2<u32>, thread: u32, s: Sums, b: vec4<f32>) {
    store_strip(group, thread, 0u, s.a, b);
    next_strip(group, thread, 1u, s.b, b);
    next_strip(group, thread, 2u, s.c, b);
    next_strip(group, thread, 3u, s.d, b);
}

// The sums of the rests' products apart: added to the large ones step by step, they would be cut
// off, and always downwards.
struct Kept {
    whole: Sums,
    rests: Sums,
}

fn put_x(at: u32, x: vec4<f32>, unit: f32) -> u32 {
    if EXACT {
        put(at, vec4<f16>(x));
        return 0u;
    }
    let scaled = unit * x;
    // To the nearest value of 11 bits, by hand: a compiler may take f16 and back for nothing.
    let bits = (bitcast<vec4<u32>>(scaled) + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u);
    let whole = bitcast<vec4<f32>>(bits);
    put(at, vec4<f16>(whole));
    put(at + ROWS * STRIDE, vec4<f16>(scaled - whole));
    return magnitude(x);
}

fn add_rests(rests: Sum, at: u32, x: Left, w: Right, rest: Right) -> Sum {
    let sum = coopMultiplyAdd(x, rest, rests);
    if EXACT {
        return sum;
    }
    return coopMultiplyAdd(left(at + ROWS * STRIDE), w, sum);
}

fn multiply(sums: ptr<function, Kept>, at: u32, matrix: u32) {
    let w = right(2u * matrix);
    let rest = right(2u * matrix + 1u);
    let a = left(at);
    (*sums).whole.a = coopMultiplyAdd(a, w, (*sums).whole.a);
    (*sums).rests.a = add_rests((*sums).rests.a, at, a, w, rest);
    let b = left(at + BELOW);
    (*sums).whole.b = coopMultiplyAdd(b, w, (*sums).whole.b);
    (*sums).rests.b = add_rests((*sums).rests.b, at + BELOW, b, w, rest);
    let c = left(at + 2u * BELOW);
    (*sums).whole.c = coopMultiplyAdd(c, w, (*sums).whole.c);
    (*sums).rests.c = add_rests((*sums).rests.c, at + 2u * BELOW, c, w, rest);
    let d = left(at + 3u * BELOW);
    (*sums).whole.d = coopMultiplyAdd(d, w, (*sums).whole.d);
    (*sums).rests.d = add_rests((*sums).rests.d, at + 3u * BELOW, d, w, rest);
}

// What rows are multiplied with unless it does not suit them.
const USUAL: f32 = 256.0;

// What a row is multiplied with, a power of two, so that f16 holds its values and their rests.
fn unit_of(largest: u32) -> f32 {
    // From 2^-10 to 255.
    let suits = largest >= 0x3a800000u && largest < 0x437f0000u;
    if suits || largest == 0u || largest >= INFINITY {
        return USUAL;
    }
    // Makes the largest at least 2^14, as far as its reverse is a normal number.
    return bitcast<f32>(min(268u - (largest >> 23u), 247u) << 23u);
}

// Of a power of two.
fn reverse(unit: f32) -> f32 {
    return bitcast<f32>(0x7f000000u - bitcast<u32>(unit));
}

var<workgroup> unsuited: atomic<u32>;
var<workgroup> again: bool;
// The reverse of each row's.
var<workgroup> reverses: array<f32, ROWS>;

fn product(group: vec2<u32>, thread: u32) -> Sums {
    if thread == 0u {
        atomicStore(&unsuited, 0u);
    }
    var units = vec4<f32>(USUAL);
    var sums: Kept;
    var largest = walk(group, thread, units, &sums);
    if !EXACT {
        // The threads that brought a row are neighbours.
        for (var other = 1u; other < STEP4; other *= 2u) {
            largest = max(largest, subgroupShuffleXor(largest, other));
        }
        // A tile has no more than two rows for a thread.
        units = vec4<f32>(unit_of(largest.x), unit_of(largest.y), USUAL, USUAL);
        if any(units != vec4<f32>(USUAL)) {
            atomicStore(&unsuited, 1u);
        }
        let rows = brought(thread);
        reverses[rows.x] = reverse(units.x);
        if ROWS > AT_ONCE {
            reverses[rows.y] = reverse(units.y);
        }
        workgroupBarrier();
        if thread == 0u {
            again = atomicLoad(&unsuited) == 1u;
        }
        if workgroupUniformLoad(&again) {
            sums = Kept();
            walk(group, thread, units, &sums);
        }
    }
    return Sums(
        sums.whole.a + sums.rests.a,
        sums.whole.b + sums.rests.b,
        sums.whole.c + sums.rests.c,
        sums.whole.d + sums.rests.d,
    );
}

fn rescaled(sum: vec4<f32>, row: u32) -> vec4<f32> {
    if EXACT {
        return UNIT * sum;
    }
    return UNIT * sum * reverses[row];
}
