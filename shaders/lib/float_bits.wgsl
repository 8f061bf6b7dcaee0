// f32 values as bits: magnitudes order like their bits, and NaN sorts above infinity.
// gives: SMALLEST_NORMAL, INFINITY, magnitude

const SMALLEST_NORMAL: u32 = 0x00800000u;
const INFINITY: u32 = 0x7f800000u;

// The bits of the largest magnitude of four values.
fn magnitude(z: vec4<f32>) -> u32 {
    let bits = bitcast<vec4<u32>>(z) & vec4<u32>(0x7fffffffu);
    return max(max(bits.x, bits.y), max(bits.z, bits.w));
}
