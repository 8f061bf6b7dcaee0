// Quantise: scale[r] = max_l |z[r, l]| / 127, code[r, l] = round_half_even(z[r, l] / scale[r])
// latents [rows, 4 * LATENTS4], padded with zeros; a thread owns a row.

override LATENTS4: u32;
override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read> latents: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;

const SMALLEST_NORMAL: f32 = 1.1754943508222875e-38;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    let first = row * LATENTS4;
    // Magnitudes order like their bits, and NaN sorts above infinity.
    var bits = vec4<u32>();
    for (var i = 0u; i < LATENTS4; i++) {
        bits = max(bits, bitcast<vec4<u32>>(latents[first + i]) & vec4<u32>(0x7fffffffu));
    }
    let largest = bitcast<f32>(max(max(bits.x, bits.y), max(bits.z, bits.w)));
    var scale = largest / 127.0;
    // A vanishing latent counts as zero; dividing by 1 gives its zero codes.
    var divisor = scale;
    if scale < SMALLEST_NORMAL {
        scale = 0.0;
        divisor = 1.0;
    }
    scales[row] = scale;
    for (var i = 0u; i < LATENTS4; i++) {
        let level = clamp(round(latents[first + i] / divisor), vec4<f32>(-127.0), vec4<f32>(127.0));
        codes[first + i] = pack4xI8(vec4<i32>(level));
    }
}
