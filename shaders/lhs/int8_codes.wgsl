// 8-bit codes as the left operand, so that the GEMM decodes them:
//     out[r, d] = scale[r] * sum_l code[r, l] W[l, d] + bias[d]
// codes [chunk rows, INPUTS4] words of four signed bytes.
// needs: INPUTS4
// gives: LhsRaw, load_lhs, lhs_values, LHS_IS_F16, finish

@group(0) @binding(3) var<storage, read> codes: array<u32>;

alias LhsRaw = u32;

// Integers up to 127 are exact in f16.
const LHS_IS_F16: bool = true;

fn load_lhs(region: u32, row: u32, i4: u32) -> LhsRaw {
    return codes[row * INPUTS4 + i4];
}

fn lhs_values(raw: LhsRaw) -> vec4<f32> {
    return vec4<f32>(unpack4xI8(raw));
}

fn finish(sum: vec4<f32>, scale: f32, b: vec4<f32>) -> vec4<f32> {
    return sum * scale + b;
}
