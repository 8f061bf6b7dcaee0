// Rows or latents as the left operand of a linear layer:
//     out[r, o] = sum_i x[r, i] W[i, o] + bias[o], and max(.., 0) of it if RELU.
// needs: INPUTS4, RowsRaw, load_rows, row_values, ROWS_ARE_F16
// gives: LhsRaw, load_lhs, lhs_values, LHS_IS_F16, row_scale, finish

override RELU: bool;

alias LhsRaw = RowsRaw;

const LHS_IS_F16: bool = ROWS_ARE_F16;

fn load_lhs(row: u32, i4: u32) -> LhsRaw {
    return load_rows(row * INPUTS4 + i4);
}

fn lhs_values(raw: LhsRaw) -> vec4<f32> {
    return row_values(raw);
}

// Rows have no scale.
fn row_scale(row: u32) -> f32 {
    return 1.0;
}

fn finish(sum: vec4<f32>, one: f32, b: vec4<f32>) -> vec4<f32> {
    let z = sum + b;
    // max() would hide a NaN, which must be reported.
    return select(z, vec4<f32>(), vec4<bool>(RELU) & (z < vec4<f32>()));
}
