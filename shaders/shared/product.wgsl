// A matrix product with a kernel-specific input and epilogue:
//     out[r, o] = finish(sum_i input[r, i] weights[i, o])
// bias [4 * OUTPUTS4] is padded with zeros, as the weights are.
// The kernel defines `fetch(row, i4)`, four values of the input as they lie in memory, and
// `unpack(raw)`, what they are, and `finish(row, o4, sum)`.
// Whatever shape walks the product, `main` writes rows padded to 4 * OUTPUTS4 values and
// `main_ragged` rows of OUTPUTS values, and `main_half` padded rows of f16.

override INPUTS4: u32;
override OUTPUTS4: u32;
override OUTPUTS: u32;
// What the weights were multiplied with, a power of two, is divided out of the sums by this.
override UNIT: f32;

@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> padded: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> ragged: array<f32>;
@group(0) @binding(4) var<storage, read_write> halves: array<vec2<u32>>;

// Stores take what `finished` gives.
fn store_padded(row: u32, o4: u32, values: vec4<f32>) {
    if row < params.rows && o4 < OUTPUTS4 {
        padded[row * OUTPUTS4 + o4] = values;
    }
}

fn store_half(row: u32, o4: u32, values: vec4<f32>) {
    if row < params.rows && o4 < OUTPUTS4 {
        halves[row * OUTPUTS4 + o4] =
            vec2<u32>(pack2x16float(values.xy), pack2x16float(values.zw));
    }
}

fn store_ragged(row: u32, o4: u32, values: vec4<f32>) {
    if row < params.rows && o4 < OUTPUTS4 {
        let first = 4u * o4;
        let base = row * OUTPUTS + first;
        // The first of four columns always exists.
        ragged[base] = values.x;
        if first + 1u < OUTPUTS { ragged[base + 1u] = values.y; }
        if first + 2u < OUTPUTS { ragged[base + 2u] = values.z; }
        if first + 3u < OUTPUTS { ragged[base + 3u] = values.w; }
    }
}

// Finishing reads memory, and no read passes a write: sums are finished before any is stored. Rows
// and outputs beyond the last repeat it, and are not stored.
fn finished(row: u32, o4: u32, sum: vec4<f32>) -> vec4<f32> {
    return finish(min(row, params.rows - 1u), min(o4, OUTPUTS4 - 1u), UNIT * sum);
}
