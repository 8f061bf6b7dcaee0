// The weights as f32: weights [regions, 4 * INPUTS4, 4 * OUTPUTS4], padded with zeros.
// gives: load_rhs

@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;

// Weights of one input and four outputs: vec4 number `at`.
fn load_rhs(at: u32) -> vec4<f32> {
    return weights[at];
}
