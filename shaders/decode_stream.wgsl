// Decode a stream of bits: out[r, d] = scale[r] * (sum_l q[r, l] W[l, d] + bias[d]) with
// q[r, l] = step[l] * table[window[r, l]], the window being the last bits of row r's stream up to
// the end of latent l's own.
// codes [rows, STREAM_WORDS] words; scales [rows] or [1]; latents [2 * INPUTS4] vec4s: for four
// latents what their windows are, then their steps as bits; tables one after the other.

override STREAM_WORDS: u32;
// Bits of every window in a trellis; 0 where a window is a latent's own bits.
override STATE_BITS: u32;

@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(6) var<storage, read> latents: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read> tables: array<f32>;

// `latent` is the end of its bits, up to 65,536, in 24 bits, and its width, at least 1, above them.
fn value(first_word: u32, latent: u32) -> f32 {
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
    // Bits before the stream are zero, and stand lowest.
    return tables[table + (found << (bits - (end - start)))];
}

alias Raw = vec4<f32>;

fn unpack(raw: Raw) -> vec4<f32> {
    return raw;
}

fn fetch(row: u32, i4: u32) -> Raw {
    let latent = latents[2u * i4];
    let first_word = row * STREAM_WORDS;
    let values = vec4<f32>(
        value(first_word, latent.x),
        value(first_word, latent.y),
        value(first_word, latent.z),
        value(first_word, latent.w),
    );
    return bitcast<vec4<f32>>(latents[2u * i4 + 1u]) * values;
}

const EXACT: bool = false;

fn finish(sum: vec4<f32>, scale: f32, b: vec4<f32>) -> vec4<f32> {
    return (sum + b) * scale;
}
