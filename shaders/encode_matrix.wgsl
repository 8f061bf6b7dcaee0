// Encode where a tile holds a row's whole latent: its strips pass through workgroup memory twice, to
// find each row's largest value and then to be quantised.

@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(5) var<storage, read_write> scales: array<f32>;

// The largest magnitude of each of the tile's rows.
var<workgroup> largest: array<atomic<u32>, ROWS>;

fn measure_value(group: vec3<u32>, thread: u32, strip: Strip, n: u32) {
    let at = place(group, thread, strip, n);
    if at.y < OUTPUTS4 {
        atomicMax(&largest[at.x - group.y * ROWS], magnitude(finished_value(thread, at, n)));
    }
}

fn measure_strip(group: vec3<u32>, thread: u32, strip: Strip, a: Sum, b: Sum) {
    keep_strip(thread, a, b);
    measure_value(group, thread, strip, 0u);
    if SIDE == 16u {
        measure_value(group, thread, strip, 1u);
        measure_value(group, thread, strip, 2u);
        measure_value(group, thread, strip, 3u);
    }
}

fn codes_value(group: vec3<u32>, thread: u32, strip: Strip, n: u32) {
    let at = place(group, thread, strip, n);
    if at.x < params.rows && at.y < OUTPUTS4 {
        let scale = scale_of(atomicLoad(&largest[at.x - group.y * ROWS]));
        codes[at.x * OUTPUTS4 + at.y] = codes_of(finished_value(thread, at, n), scale);
        if at.y == 0u {
            scales[at.x] = scale;
        }
    }
}

fn codes_strip(group: vec3<u32>, thread: u32, strip: Strip, a: Sum, b: Sum) {
    keep_strip(thread, a, b);
    codes_value(group, thread, strip, 0u);
    if SIDE == 16u {
        codes_value(group, thread, strip, 1u);
        codes_value(group, thread, strip, 2u);
        codes_value(group, thread, strip, 3u);
    }
}

@compute @workgroup_size(THREADS)
fn main_codes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    if thread < ROWS {
        atomicStore(&largest[thread], 0u);
    }
    // Its barriers come between the zeros and the maxima.
    let s = product(group.xy, thread);
    measure_strip(group, thread, Strip(0u, 0u), s.s00, s.s01);
    measure_strip(group, thread, Strip(0u, 1u), s.s02, s.s03);
    measure_strip(group, thread, Strip(1u, 0u), s.s10, s.s11);
    measure_strip(group, thread, Strip(1u, 1u), s.s12, s.s13);
    codes_strip(group, thread, Strip(0u, 0u), s.s00, s.s01);
    codes_strip(group, thread, Strip(0u, 1u), s.s02, s.s03);
    codes_strip(group, thread, Strip(1u, 0u), s.s10, s.s11);
    codes_strip(group, thread, Strip(1u, 1u), s.s12, s.s13);
}
