// A latent's scale and codes: scale = max|z| / 127, code = round_half_even(z / scale).

// Of the largest magnitude; a vanishing latent counts as zero.
fn scale_of(largest: u32) -> f32 {
    let scale = bitcast<f32>(largest) / 127.0;
    return select(scale, 0.0, bitcast<u32>(scale) < SMALLEST_NORMAL);
}

// Four codes; zeros where the scale is.
fn codes_of(z: vec4<f32>, scale: f32) -> u32 {
    let levels = round(z / select(scale, 1.0, scale == 0.0));
    return pack4xI8(vec4<i32>(clamp(levels, vec4<f32>(-127.0), vec4<f32>(127.0))));
}
