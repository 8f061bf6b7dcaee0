// A matrix product with a kernel-specific input and end:
//     out[r, o] = finish(sum_i input[r, i] weights[i, o], factor(r), bias[o])
// bias [4 * OUTPUTS4] is padded with zeros, as the weights are.
// The kernel defines `fetch(row, i4)`, four values of the input as they lie in memory, `unpack(raw)`,
// what they are, and `EXACT`, whether f16 holds them; `factor(row)`; and `finish`.

override INPUTS4: u32;
override OUTPUTS4: u32;
// What the weights were multiplied with, a power of two, is divided out of the sums by this.
override UNIT: f32;

@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;

// Finishing reads memory, and no read passes a write: sums are finished before any is stored. Rows
// and outputs beyond the last repeat it, and are not stored.
fn finished(row: u32, o4: u32, sum: vec4<f32>) -> vec4<f32> {
    return finish(UNIT * sum, factor(min(row, params.rows - 1u)), bias[min(o4, OUTPUTS4 - 1u)]);
}
