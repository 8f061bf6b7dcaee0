// The scalar encoder: code[r, l] = the number of thresholds below latents[r, l].
// tables: for each number of bits w, in units of the step, the 2^w - 1 ascending thresholds between
// its levels and one value of padding. A thread owns a row.
// needs: params, magnitude, LATENTS, CODE_WORDS, plan, latents, tables, codes
// needs: first_latent, store_scale

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    let first = first_latent(row);
    var largest = 0u;
    // The index of the code word that is being filled.
    var word = row * CODE_WORDS;
    var filled = 0u;
    for (var i = 0u; i < LATENTS; i++) {
        let latent = plan[i];
        let z = latents[first + i];
        largest = max(largest, magnitude(vec4<f32>(z)));
        let table = (1u << latent.width) - 2u;
        var code = 0u;
        for (var bit = 1u << (latent.width - 1u); bit > 0u; bit >>= 1u) {
            let above = z > tables[table + (code | bit) - 1u] * latent.step;
            code |= select(0u, bit, above);
        }
        let shift = (latent.end - latent.width) % 32u;
        filled |= code << shift;
        if shift + latent.width >= 32u {
            codes[word] = filled;
            word++;
            // A latent has at most 8 bits, so the shift is not zero.
            filled = code >> (32u - shift);
        }
    }
    if word < (row + 1u) * CODE_WORDS {
        codes[word] = filled;
    }
    store_scale(row, largest);
}
