// The scalar encoder: each latent of row r goes to the nearest level of its table.
// A thread owns a row.
// needs: params, magnitude, SYMBOLS, CODE_WORDS, symbol_at, latents, codes
// needs: region_of, first_latent, nearest, is_clipped, store_scale

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    let first = first_latent(row);
    let region = region_of(row);
    let first_word = row * CODE_WORDS;
    var largest = 0u;
    var clipped = false;
    // The code word that is being filled.
    var word = 0u;
    // The number of the row's region is its first bits.
    var filled = region;
    for (var i = 0u; i < SYMBOLS; i++) {
        let symbol = symbol_at(region * SYMBOLS + i);
        let z = latents[first + symbol.latent];
        largest = max(largest, magnitude(vec4<f32>(z)));
        clipped = clipped || is_clipped(z, z, symbol);
        let code = nearest(z, symbol);
        let start = symbol.end - symbol.bits;
        if start / 32u > word {
            codes[first_word + word] = filled;
            word++;
            filled = 0u;
        }
        let shift = start % 32u;
        filled |= code << shift;
        if shift + symbol.bits > 32u {
            codes[first_word + word] = filled;
            word++;
            filled = code >> (32u - shift);
        }
    }
    codes[first_word + word] = filled;
    for (word++; word < CODE_WORDS; word++) {
        codes[first_word + word] = 0u;
    }
    store_scale(row, largest, clipped);
}
