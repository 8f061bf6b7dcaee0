// Rows minus a centroid as the left operand of a linear layer:
//     out[r, o] = sum_i (x[r, i] - centroid[i]) W[i, o]
// The centroid is subtracted before the product, so that a large mean takes no digits.
// needs: INPUTS4, RowsRaw, load_rows, row_values
// gives: LhsRaw, load_lhs, lhs_values

// [regions, INPUTS4], padded with zeros.
@group(0) @binding(5) var<storage, read> centroid: array<vec4<f32>>;

struct LhsRaw {
    row: RowsRaw,
    centroid: vec4<f32>,
}

fn load_lhs(region: u32, row: u32, i4: u32) -> LhsRaw {
    return LhsRaw(load_rows(row * INPUTS4 + i4), centroid[region * INPUTS4 + i4]);
}

fn lhs_values(raw: LhsRaw) -> vec4<f32> {
    return row_values(raw.row) - raw.centroid;
}
