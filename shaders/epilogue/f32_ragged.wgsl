// Results as f32 whose rows are not padded: out [chunk rows, OUTPUTS].
// needs: output_rows, OUTPUTS4
// gives: store

override OUTPUTS: u32;

@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn store(row: u32, o4: u32, values: vec4<f32>) {
    if row < output_rows() && o4 < OUTPUTS4 {
        let first = 4u * o4;
        let base = row * OUTPUTS + first;
        // The first of four columns always exists.
        out[base] = values.x;
        if first + 1u < OUTPUTS { out[base + 1u] = values.y; }
        if first + 2u < OUTPUTS { out[base + 2u] = values.z; }
        if first + 3u < OUTPUTS { out[base + 3u] = values.w; }
    }
}
