// Bit codes as the left operand, so that the GEMM decodes them:
//     out[r, d] = scale[r] * (sum_l q[r, l] W[l, d] + bias[d])
//     q[r, l]   = step[l] * table[window[r, l]]
// The window of a latent is the last bits of row r's code up to the end of the latent's own bits.
// codes [chunk rows, CODE_WORDS] words. bit_layout [2 * INPUTS4] vec4s: for four latents each, first
// where their bits end and how many there are, then their steps as bits. tables: one after the
// other.
// gives: LhsRaw, load_lhs, lhs_values, LHS_IS_F16, finish

override CODE_WORDS: u32;
// Bits of every window in a trellis; 0 where a window is a latent's own bits.
override STATE_BITS: u32;

@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(6) var<storage, read> bit_layout: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read> tables: array<f32>;

// `latent` holds the end of its bits, at most 65,536, in 24 bits, and above them its number of
// bits, at least 1.
fn table_value(first_word: u32, latent: u32) -> f32 {
    let end = latent & 0xffffffu;
    let width = latent >> 24u;
    var bits = STATE_BITS;
    var table = (width - 1u) << STATE_BITS;
    if STATE_BITS == 0u {
        bits = width;
        table = (1u << width) - 2u;
    }
    let start = max(end, bits) - bits;
    let shift = start % 32u;
    let word = first_word + start / 32u;
    var found = codes[word] >> shift;
    if shift + (end - start) > 32u {
        found |= codes[word + 1u] << (32u - shift);
    }
    found &= (1u << (end - start)) - 1u;
    // Bits before the code are zero, and are the lowest of the window.
    return tables[table + (found << (bits - (end - start)))];
}

alias LhsRaw = vec4<f32>;

const LHS_IS_F16: bool = false;

fn load_lhs(row: u32, i4: u32) -> LhsRaw {
    let latent = bit_layout[2u * i4];
    let first_word = row * CODE_WORDS;
    let values = vec4<f32>(
        table_value(first_word, latent.x),
        table_value(first_word, latent.y),
        table_value(first_word, latent.z),
        table_value(first_word, latent.w),
    );
    return bitcast<vec4<f32>>(bit_layout[2u * i4 + 1u]) * values;
}

fn lhs_values(raw: LhsRaw) -> vec4<f32> {
    return raw;
}

fn finish(sum: vec4<f32>, scale: f32, b: vec4<f32>) -> vec4<f32> {
    return (sum + b) * scale;
}
