// Latents to 8-bit codes and scales.
// latents [chunk rows, 4 * LATENTS4], padded with zeros. scales [chunk rows].
// codes [chunk rows, LATENTS4] words of four signed bytes. LANES neighbouring threads share a row.
// needs: params, magnitude, scale_of, codes_of

override LATENTS4: u32;
override WORKGROUP: u32;
override LANES: u32;

@group(0) @binding(1) var<storage, read> latents: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;

// The largest magnitude that each thread has seen.
var<workgroup> maxima: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = id.x / LANES;
    let lane = id.x % LANES;
    // Threads beyond the last row have no latents, but reach the barrier with the others.
    let inside = row < params.rows;
    let first = row * LATENTS4;
    let end = select(0u, LATENTS4, inside);
    var largest = 0u;
    for (var i = lane; i < end; i += LANES) {
        largest = max(largest, magnitude(latents[first + i]));
    }
    if LANES > 1u {
        maxima[thread] = largest;
        workgroupBarrier();
        for (var other = 0u; other < LANES; other++) {
            largest = max(largest, maxima[thread - lane + other]);
        }
    }
    let scale = scale_of(largest);
    if inside && lane == 0u {
        scales[row] = scale;
    }
    for (var i = lane; i < end; i += LANES) {
        codes[first + i] = codes_of(latents[first + i], scale);
    }
}
