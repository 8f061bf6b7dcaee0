// What the searches for streams of bits read and write.
// latents [rows, LATENTS padded to a multiple of four]; codes [rows, WORDS] words.

override LATENTS: u32;
override WORDS: u32;
// Whether the scales already hold the rows' norms; else every scale is 1.
override KEEPS_SCALE: bool;

struct Latent {
    // Where its bits end in the stream, and how many they are.
    end: u32,
    width: u32,
    // What its table's values are multiplied with.
    step: f32,
    // Where a thread's decisions about it begin, in bits; of a trellis alone.
    position: u32,
}

@group(0) @binding(1) var<storage, read> latents: array<f32>;
@group(0) @binding(2) var<storage, read> plan: array<Latent>;
@group(0) @binding(3) var<storage, read> tables: array<f32>;
// As bits.
@group(0) @binding(4) var<storage, read_write> scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> codes: array<u32>;

const ONE: u32 = 0x3f800000u;

fn first_latent(row: u32) -> u32 {
    return row * ((LATENTS + 3u) / 4u * 4u);
}

// `largest` is the largest magnitude of the row's latents. One that is not finite must show.
fn store_scale(row: u32, largest: u32) {
    if largest >= INFINITY {
        scales[row] = INFINITY;
    } else if !KEEPS_SCALE {
        scales[row] = ONE;
    }
}
