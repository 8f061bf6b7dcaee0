// The weights as f16: weights [regions, 4 * INPUTS4, 4 * OUTPUTS4], padded with zeros, two in a word.
// gives: load_rhs

@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;

// Weights of one input and four outputs: vec4 number `at`.
fn load_rhs(at: u32) -> vec4<f32> {
    let pairs = weights[at];
    return vec4<f32>(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}
