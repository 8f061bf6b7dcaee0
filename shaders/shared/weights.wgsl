// Weights [4 * INPUTS4, 4 * OUTPUTS4], padded with zeros.
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;

fn weight(at: u32) -> vec4<f32> {
    return weights[at];
}
