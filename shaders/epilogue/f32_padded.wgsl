// Results as f32: out [chunk rows, 4 * OUTPUTS4].
// needs: output_rows, OUTPUTS4
// gives: store

@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

fn store(row: u32, o4: u32, values: vec4<f32>) {
    if row < output_rows() && o4 < OUTPUTS4 {
        out[row * OUTPUTS4 + o4] = values;
    }
}
