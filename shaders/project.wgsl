// A linear layer: out[r, o] = sum_i x[r, i] W[i, o] + bias[o], and max(.., 0) of it if RELU.
// x [rows, 4 * INPUTS4], padded with zeros.

override RELU: bool;

@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

alias Raw = vec4<f32>;

fn fetch(row: u32, i4: u32) -> Raw {
    return x[row * INPUTS4 + i4];
}

fn unpack(raw: Raw) -> vec4<f32> {
    return raw;
}

const EXACT: bool = false;

fn factor(row: u32) -> f32 {
    return 1.0;
}

fn finish(sum: vec4<f32>, one: f32, b: vec4<f32>) -> vec4<f32> {
    let z = sum + b;
    // Not max(): a NaN must pass, to be reported.
    return select(z, vec4<f32>(), vec4<bool>(RELU) & (z < vec4<f32>()));
}
