// The scale of each row, or one scale for all rows.
// needs: params
// gives: row_scale

@group(0) @binding(5) var<storage, read> scales: array<f32>;

fn row_scale(row: u32) -> f32 {
    return scales[row * params.scale_stride];
}
