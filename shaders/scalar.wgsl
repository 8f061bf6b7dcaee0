// Scalar quantiser: code[r, l] = the number of thresholds below latents[r, l], packed into row r's
// stream.
// tables: for each width, in units of the step, the 2^width - 1 thresholds between its levels,
// ascending, and a value of padding. A thread owns a row.

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    let first = first_latent(row);
    var largest = 0u;
    // The word being filled.
    var word = row * WORDS;
    var held = 0u;
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
        held |= code << shift;
        if shift + latent.width >= 32u {
            codes[word] = held;
            word++;
            // A latent has 8 bits at most, so the shift is not zero.
            held = code >> (32u - shift);
        }
    }
    if word < (row + 1u) * WORDS {
        codes[word] = held;
    }
    store_scale(row, largest);
}
