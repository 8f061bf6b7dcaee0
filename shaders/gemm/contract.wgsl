// Matrix multiplication. The left operand, the tiling and the epilogue are files of their own:
//     out[r, o] = finish(DESCALE * sum_i lhs[r, i] weights[i, o], row_scale(r), bias[o])
// bias [4 * OUTPUTS4] is padded with zeros, as the weights are.
//
// The left operand gives `load_lhs(row, i4)`, four values as they are stored in memory;
// `lhs_values(raw)`, the same four values as f32; `LHS_IS_F16`, whether f16 holds them exactly;
// `row_scale(row)`; and `finish`. A load is separate from its conversion so that the wait for memory
// comes as late as possible.
// needs: params, row_scale, finish
// gives: INPUTS4, OUTPUTS4, DESCALE, bias, finished

override INPUTS4: u32;
override OUTPUTS4: u32;
// Undoes the power of two that the weights were multiplied by.
override DESCALE: f32;

@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;

// Finishing reads memory, and no read passes a write: all sums are finished before the first is
// stored. Rows and outputs beyond the last repeat the last, and are not stored.
fn finished(row: u32, o4: u32, sum: vec4<f32>) -> vec4<f32> {
    let scale = row_scale(min(row, params.rows - 1u));
    return finish(DESCALE * sum, scale, bias[min(o4, OUTPUTS4 - 1u)]);
}
