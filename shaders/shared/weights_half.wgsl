// Weights [4 * INPUTS4, 4 * OUTPUTS4] as f16, padded with zeros.
@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;

fn weight(at: u32) -> vec4<f32> {
    let pairs = weights[at];
    return vec4<f32>(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}
