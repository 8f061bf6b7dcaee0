// Rows or latents as the left operand of a linear layer:
//     out[r, o] = sum_i x[r, i] W[i, o]
// needs: INPUTS4, RowsRaw, load_rows, row_values, ROWS_ARE_F16
// gives: LhsRaw, load_lhs, lhs_values, LHS_IS_F16

alias LhsRaw = RowsRaw;

const LHS_IS_F16: bool = ROWS_ARE_F16;

fn load_lhs(region: u32, row: u32, i4: u32) -> LhsRaw {
    return load_rows(row * INPUTS4 + i4);
}

fn lhs_values(raw: LhsRaw) -> vec4<f32> {
    return row_values(raw);
}
