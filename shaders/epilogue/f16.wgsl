// Results as f16: out [chunk rows, 4 * OUTPUTS4], two values in a word.
// needs: output_rows, OUTPUTS4
// gives: store

@group(0) @binding(4) var<storage, read_write> out: array<vec2<u32>>;

fn store(row: u32, o4: u32, values: vec4<f32>) {
    if row < output_rows() && o4 < OUTPUTS4 {
        out[row * OUTPUTS4 + o4] = vec2<u32>(pack2x16float(values.xy), pack2x16float(values.zw));
    }
}
