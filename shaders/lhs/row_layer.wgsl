// The end of a linear layer whose left operand is rows or latents:
//     out[r, o] = sum + bias[o], and max(.., 0) of it if RELU.
// gives: row_scale, finish

override RELU: bool;

// Rows have no scale.
fn row_scale(row: u32) -> f32 {
    return 1.0;
}

fn finish(sum: vec4<f32>, one: f32, b: vec4<f32>) -> vec4<f32> {
    let z = sum + b;
    // max() would hide a NaN, which must be reported.
    return select(z, vec4<f32>(), vec4<bool>(RELU) & (z < vec4<f32>()));
}
