// A tile that holds its rows' whole latents: they are quantised out of registers.

// The largest magnitude of each of the tile's rows.
var<workgroup> largest: array<atomic<u32>, TALL>;

// Outputs beyond the last are repetitions of it, and change no maximum.
fn measure_block(row: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    atomicMax(&largest[row], magnitude(a));
    atomicMax(&largest[row + 1u], magnitude(b));
    atomicMax(&largest[row + 2u], magnitude(c));
    atomicMax(&largest[row + 3u], magnitude(d));
}

fn codes_row(first: u32, row: u32, o4: u32, z: vec4<f32>) {
    store(first + row, o4, z, scale_of(atomicLoad(&largest[row])));
}

fn codes_block(first: u32, row: u32, o4: u32,
    a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    codes_row(first, row, o4, a);
    codes_row(first, row + 1u, o4, b);
    codes_row(first, row + 2u, o4, c);
    codes_row(first, row + 3u, o4, d);
}

@compute @workgroup_size(ACROSS, DOWN)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    for (var row = local.y * ACROSS + local.x; row < TALL; row += ACROSS * DOWN) {
        atomicStore(&largest[row], 0u);
    }
    // Its barriers come between the zeros and the maxima.
    var s = product(group.xy, local.xy);
    let at = place(group.xy, local.xy);
    finish_all(&s, at);
    let first = group.y * TALL;
    let row = 4u * local.y;
    let below = row + 4u * DOWN;
    measure_block(row, s[0], s[1], s[2], s[3]);
    if ROWS4 == 2u {
        measure_block(below, s[4], s[5], s[6], s[7]);
    }
    if COLUMNS4 == 2u {
        measure_block(row, s[8], s[9], s[10], s[11]);
        if ROWS4 == 2u {
            measure_block(below, s[12], s[13], s[14], s[15]);
        }
    }
    workgroupBarrier();
    codes_block(first, row, at.y, s[0], s[1], s[2], s[3]);
    if ROWS4 == 2u {
        codes_block(first, below, at.y, s[4], s[5], s[6], s[7]);
    }
    if COLUMNS4 == 2u {
        codes_block(first, row, at.y + ACROSS, s[8], s[9], s[10], s[11]);
        if ROWS4 == 2u {
            codes_block(first, below, at.y + ACROSS, s[12], s[13], s[14], s[15]);
        }
    }
}
