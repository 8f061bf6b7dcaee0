// Bit codes as the left operand, so that the GEMM decodes them:
//     out[r, d] = scale[r] * (sum_l table[window[r, l]] W[l, d] + bias[d])
// The weights hold the factor of each latent's table.
// codes [chunk rows, CODE_WORDS] words. bit_layout [regions, 2 * INPUTS4] vec4s: for four latents
// each, first how their windows are read, then where their tables begin among `tables`.
// needs: INPUTS4
// gives: LhsRaw, load_lhs, lhs_values, finish

override CODE_WORDS: u32;

@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(6) var<storage, read> bit_layout: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read> tables: array<f32>;

// `window` holds the window's first bit in the row in 20 bits, above them its number of bits, at least
// 1, in 4 bits, and above these how many bits are missing before the first one. Missing bits are zero,
// and the lowest of the window.
fn table_value(first_word: u32, window: u32, table: u32) -> f32 {
    let start = window & 0xfffffu;
    let bits = extractBits(window, 20u, 4u);
    let shift = start % 32u;
    let word = start / 32u;
    // Both words are loaded at once, without a branch on which the loads of the next window would wait
    // (H200, decoding with 16 regions: 167 instead of 157 million rows per second; with one region 292
    // instead of 305).
    let next = min(word + 1u, CODE_WORDS - 1u);
    let found = codes[first_word + word] >> shift | (codes[first_word + next] << 1u) << (31u - shift);
    return tables[table + (extractBits(found, 0u, bits) << (window >> 24u))];
}

alias LhsRaw = vec4<f32>;

fn load_lhs(region: u32, row: u32, i4: u32) -> LhsRaw {
    let at = 2u * (region * INPUTS4 + i4);
    let windows = bit_layout[at];
    let starts = bit_layout[at + 1u];
    let first_word = row * CODE_WORDS;
    return vec4<f32>(
        table_value(first_word, windows.x, starts.x),
        table_value(first_word, windows.y, starts.y),
        table_value(first_word, windows.z, starts.z),
        table_value(first_word, windows.w, starts.w),
    );
}

fn lhs_values(raw: LhsRaw) -> vec4<f32> {
    return raw;
}

fn finish(sum: vec4<f32>, scale: f32, b: vec4<f32>) -> vec4<f32> {
    return (sum + b) * scale;
}
