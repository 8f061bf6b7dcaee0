// Quantise latents [rows, 4 * LATENTS4], padded with zeros, to scales [rows] and codes
// [rows, LATENTS4] words of four signed bytes; a thread owns a row.

override LATENTS4: u32;
override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read> latents: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    let first = row * LATENTS4;
    var largest = 0u;
    for (var i = 0u; i < LATENTS4; i++) {
        largest = max(largest, magnitude(latents[first + i]));
    }
    let scale = scale_of(largest);
    scales[row] = scale;
    for (var i = 0u; i < LATENTS4; i++) {
        codes[first + i] = codes_of(latents[first + i], scale);
    }
}
