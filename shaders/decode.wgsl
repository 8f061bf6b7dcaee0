// Decode: out[r, d] = scale[r] * sum_l code[r, l] W[l, d] + bias[d]
// codes [rows, INPUTS4] words of four signed bytes; scales [rows] or [1].

@group(0) @binding(3) var<storage, read> codes: array<u32>;

alias Raw = u32;

fn fetch(row: u32, i4: u32) -> Raw {
    return codes[row * INPUTS4 + i4];
}

fn unpack(raw: Raw) -> vec4<f32> {
    return vec4<f32>(unpack4xI8(raw));
}

// Integers up to 127.
const EXACT: bool = true;

fn finish(sum: vec4<f32>, scale: f32, b: vec4<f32>) -> vec4<f32> {
    return sum * scale + b;
}
