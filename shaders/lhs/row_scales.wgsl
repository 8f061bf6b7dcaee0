// The scale of each row, or one scale for all rows. The sign says that the row was clipped when it was encoded.
// needs: params
// gives: row_scale

@group(0) @binding(5) var<storage, read> scales: array<f32>;

fn row_scale(row: u32) -> f32 {
    return abs(scales[row * params.scale_stride]);
}
