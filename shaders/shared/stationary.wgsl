// Codes on matrix units of 16 x 16 while the weights stay where they are: a subgroup holds all of
// its column's in registers, and the workgroup's tiles of SIDE rows pass, every `groups.y`-th of them.

const ROWS: u32 = SIDE;
// Threads that bring a row.
const ABREAST: u32 = THREADS / SIDE;
// A row of the tile [SIDE][SIDE * BLOCKS_ACROSS] is padded to STRIDE values as well.
override STRIDE: u32;
override X_VECTORS: u32;
// Whether each matrix of weights is followed by what rounding it to f16 left.
override SPLIT: bool;
// Of the eight matrices of weights in one piece, those that are used: all that lie across, or half.
override HELD: u32;

struct Eight {
    a: Right,
    b: Right,
    c: Right,
    d: Right,
    e: Right,
    f: Right,
    g: Right,
    h: Right,
}

fn eight(first: u32) -> Eight {
    let parts = select(1u, 2u, SPLIT);
    var w: Eight;
    w.a = right(first);
    w.b = right(first + parts);
    if HELD > 2u {
        w.c = right(first + 2u * parts);
        w.d = right(first + 3u * parts);
    }
    if HELD > 4u {
        w.e = right(first + 4u * parts);
        w.f = right(first + 5u * parts);
    }
    if HELD > 6u {
        w.g = right(first + 6u * parts);
        w.h = right(first + 7u * parts);
    }
    return w;
}

fn multiply(w: Eight, at: u32, before: Sum) -> Sum {
    var s = coopMultiplyAdd(left(at), w.a, before);
    s = coopMultiplyAdd(left(at + SIDE), w.b, s);
    if HELD > 2u {
        s = coopMultiplyAdd(left(at + 2u * SIDE), w.c, s);
        s = coopMultiplyAdd(left(at + 3u * SIDE), w.d, s);
    }
    if HELD > 4u {
        s = coopMultiplyAdd(left(at + 4u * SIDE), w.e, s);
        s = coopMultiplyAdd(left(at + 5u * SIDE), w.f, s);
    }
    if HELD > 6u {
        s = coopMultiplyAdd(left(at + 6u * SIDE), w.g, s);
        s = coopMultiplyAdd(left(at + 7u * SIDE), w.h, s);
    }
    return s;
}

// The second eight are the first ones' rests, or of further inputs.
fn product(v: Eight, w: Eight) -> Sum {
    let s = multiply(v, 0u, Sum());
    if SPLIT {
        return s + multiply(w, 0u, Sum());
    }
    if BLOCKS_ACROSS > HELD {
        return multiply(w, HELD * SIDE, s);
    }
    return s;
}

struct Fetched {
    a: Raw,
    b: Raw,
    c: Raw,
    d: Raw,
    factor: f32,
}

// Rows and inputs beyond the last repeat it.
fn fetch_tile(tile: u32, thread: u32) -> Fetched {
    var fetched: Fetched;
    let group = vec2<u32>(0u, tile);
    let row = clamped(group, thread / ABREAST);
    let i4 = thread % ABREAST;
    fetched.a = fetch(row, min(i4, INPUTS4 - 1u));
    if BLOCKS_ACROSS > 4u {
        fetched.b = fetch(row, min(i4 + ABREAST, INPUTS4 - 1u));
    }
    if BLOCKS_ACROSS > 8u {
        fetched.c = fetch(row, min(i4 + 2u * ABREAST, INPUTS4 - 1u));
        fetched.d = fetch(row, min(i4 + 3u * ABREAST, INPUTS4 - 1u));
    }
    fetched.factor = factor(clamped(group, thread % SIDE));
    return fetched;
}

fn put_x(row: u32, i4: u32, raw: Raw) {
    // Beyond the last input x is zero, whatever stands there in memory.
    if 4u * i4 < SIDE * BLOCKS_ACROSS {
        put(row * STRIDE + 4u * i4, vec4<f16>(select(vec4<f32>(), unpack(raw), i4 < INPUTS4)));
    }
}

fn put_tile(fetched: Fetched, thread: u32) {
    let row = thread / ABREAST;
    let i4 = thread % ABREAST;
    put_x(row, i4, fetched.a);
    if BLOCKS_ACROSS > 4u {
        put_x(row, i4 + ABREAST, fetched.b);
    }
    if BLOCKS_ACROSS > 8u {
        put_x(row, i4 + 2u * ABREAST, fetched.c);
        put_x(row, i4 + 3u * ABREAST, fetched.d);
    }
}

fn rescaled(sum: vec4<f32>, row: u32) -> vec4<f32> {
    return UNIT * sum;
}

// Takes a tile that was fetched, and fetches the one that is `ahead` of it.
fn take_tile(
    group: vec2<u32>,
    thread: u32,
    ahead: u32,
    fetched: ptr<function, Fetched>,
    v: Eight,
    w: Eight,
    b: vec4<f32>,
) {
    put_tile(*fetched, thread);
    let of_row = (*fetched).factor;
    workgroupBarrier();
    // Until here the last tile's were read.
    if thread < SIDE {
        factors[thread] = of_row;
    }
    *fetched = fetch_tile(group.y + ahead, thread);
    store_strip(group, thread, 0u, product(v, w), b);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let first = select(1u, 2u, SPLIT) * first_matrix(group.xy, thread);
    let v = eight(first);
    var w: Eight;
    if SPLIT {
        w = eight(first + 1u);
    } else if BLOCKS_ACROSS > HELD {
        w = eight(first + HELD);
    }
    let b = bias_of(group.xy, thread);
    // A device busy with stores is slow to bring rows, so that three tiles are under way. Each has
    // its own variable: handing a tile from one to the next would wait for it.
    let ahead = 3u * groups.y;
    var x = fetch_tile(group.y, thread);
    var y = fetch_tile(group.y + groups.y, thread);
    var z = fetch_tile(group.y + 2u * groups.y, thread);
    for (var tile = group.y; tile * SIDE < params.rows; tile += ahead) {
        let second = tile + groups.y;
        let third = second + groups.y;
        take_tile(vec2<u32>(group.x, tile), thread, ahead, &x, v, w, b);
        if second * SIDE < params.rows {
            take_tile(vec2<u32>(group.x, second), thread, ahead, &y, v, w, b);
        }
        if third * SIDE < params.rows {
            take_tile(vec2<u32>(group.x, third), thread, ahead, &z, v, w, b);
        }
    }
}
