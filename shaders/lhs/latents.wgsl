// Latents of bit codes as the left operand of the decoder, whose weights hold the factor of each
// latent's table:
//     out[r, d] = sum_l (z[r, l] / step[l]) W[l, d]
// needs: INPUTS4, RowsRaw, load_rows, row_values
// gives: LhsRaw, load_lhs, lhs_values

// 1 / step, [regions, INPUTS4]: zero for a step of zero and for padding.
@group(0) @binding(5) var<storage, read> reciprocal_steps: array<vec4<f32>>;

struct LhsRaw {
    row: RowsRaw,
    reciprocal_steps: vec4<f32>,
}

fn load_lhs(region: u32, row: u32, i4: u32) -> LhsRaw {
    return LhsRaw(load_rows(row * INPUTS4 + i4), reciprocal_steps[region * INPUTS4 + i4]);
}

fn lhs_values(raw: LhsRaw) -> vec4<f32> {
    return row_values(raw.row) * raw.reciprocal_steps;
}
