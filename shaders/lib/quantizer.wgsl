// 8-bit codes of a latent z: scale = max |z| / 127, code = round_half_even(z / scale).
// needs: SMALLEST_NORMAL
// gives: scale_of, codes_of

// `largest` is the bits of max |z|. A scale below the smallest normal f32 counts as zero.
fn scale_of(largest: u32) -> f32 {
    let scale = bitcast<f32>(largest) / 127.0;
    return select(scale, 0.0, bitcast<u32>(scale) < SMALLEST_NORMAL);
}

// Four codes in a word. They are zero where the scale is.
fn codes_of(z: vec4<f32>, scale: f32) -> u32 {
    let levels = round(z / select(scale, 1.0, scale == 0.0));
    return pack4xI8(vec4<i32>(clamp(levels, vec4<f32>(-127.0), vec4<f32>(127.0))));
}
