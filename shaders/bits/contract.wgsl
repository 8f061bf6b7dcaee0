// What both encoders of bit codes read and write.
// latents [chunk rows, LATENTS padded to a multiple of four]. codes [chunk rows, CODE_WORDS] words.
// needs: INFINITY
// gives: LATENTS, CODE_WORDS, plan, latents, tables, codes, first_latent, store_scale

override LATENTS: u32;
override CODE_WORDS: u32;
// Whether `scales` already holds the rows' norms; else every scale is 1.
override STORES_NORMS: bool;

struct Latent {
    // Where its bits end in the code, and how many there are.
    end: u32,
    width: u32,
    // The multiplier of its table's values.
    step: f32,
    // In a trellis: where a thread's decisions about it begin, in bits.
    position: u32,
}

@group(0) @binding(1) var<storage, read> latents: array<f32>;
@group(0) @binding(2) var<storage, read> plan: array<Latent>;
@group(0) @binding(3) var<storage, read> tables: array<f32>;
// f32 values as bits.
@group(0) @binding(4) var<storage, read_write> scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> codes: array<u32>;

const ONE: u32 = 0x3f800000u;

fn first_latent(row: u32) -> u32 {
    return row * ((LATENTS + 3u) / 4u * 4u);
}

// `largest` is the bits of the largest magnitude of the row's latents. A row whose latents are not
// all finite gets an infinite scale, which the host reports.
fn store_scale(row: u32, largest: u32) {
    if largest >= INFINITY {
        scales[row] = INFINITY;
    } else if !STORES_NORMS {
        scales[row] = ONE;
    }
}
