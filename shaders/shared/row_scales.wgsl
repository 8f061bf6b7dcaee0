// Each row's scale, or one of all.
@group(0) @binding(5) var<storage, read> scales: array<f32>;

fn factor(row: u32) -> f32 {
    return scales[row * params.scale_stride];
}
