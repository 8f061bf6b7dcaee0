// Results as 8-bit codes and scales: codes [chunk rows, OUTPUTS4] words, scales [chunk rows].
// needs: output_rows, OUTPUTS4, codes_of
// gives: store_codes

@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(6) var<storage, read_write> scales: array<f32>;

fn store_codes(row: u32, o4: u32, z: vec4<f32>, scale: f32) {
    if row < output_rows() && o4 < OUTPUTS4 {
        codes[row * OUTPUTS4 + o4] = codes_of(z, scale);
        if o4 == 0u {
            scales[row] = scale;
        }
    }
}
