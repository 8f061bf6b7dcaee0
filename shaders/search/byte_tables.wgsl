// Tables of bytes for scalar codes. A byte of a row adds to a query's product what its table says:
//     table[byte] = sum over the latents of the byte:  q entry(byte) - the least that it may be
// in steps of the query and region, rounded to 16 bits. src/gpu/search/bytes.rs divides q by the step, so that the
// largest entry of all tables of a query and region is 65,535.
// queries [queries, REGIONS, 4 VALUES4 + 4]: values of latents, then what `scan.wgsl` reads
// byte_tables [queries, REGIONS, BYTES, 128]: a word has the entry of a byte, above it that of the byte plus 128.
// A workgroup has the table of one byte.

override REGIONS: u32;
override BYTES: u32;
// Latents of a byte, at most.
override PER_BYTE: u32;
override VALUES4: u32;

// One latent of a byte. Without bits there is none.
struct Latent {
    // Which one in 16 bits, above it its first bit in the byte in 8 bits, above it how many it has.
    window: u32,
    // Where its table begins.
    first_entry: u32,
    // The least and the largest entry there.
    least: f32,
    largest: f32,
}

@group(0) @binding(0) var<storage, read> queries: array<f32>;
// [REGIONS, BYTES, PER_BYTE]
@group(0) @binding(1) var<storage, read> latents: array<Latent>;
@group(0) @binding(2) var<storage, read> tables: array<f32>;
@group(0) @binding(3) var<storage, read_write> byte_tables: array<u32>;

const LARGEST_ENTRY: f32 = 65535.0;

// The entry of a byte in the table of bytes of this number. `values` is where the query's values begin.
fn entry(number: u32, values: u32, byte: u32) -> u32 {
    var sum = 0.0;
    for (var i = 0u; i < PER_BYTE; i++) {
        let latent = latents[number * PER_BYTE + i];
        let bits = latent.window >> 24u;
        if bits == 0u {
            break;
        }
        let code = (byte >> ((latent.window >> 16u) & 0xffu)) & ((1u << bits) - 1u);
        let q = queries[values + (latent.window & 0xffffu)];
        sum += q * tables[latent.first_entry + code] - min(q * latent.least, q * latent.largest);
    }
    return u32(min(round(sum), LARGEST_ENTRY));
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let region = group.x / BYTES;
    let values = (group.y * REGIONS + region) * 4u * (VALUES4 + 1u);
    let low = entry(group.x, values, thread);
    let high = entry(group.x, values, thread + 128u);
    byte_tables[(group.y * REGIONS * BYTES + group.x) * 128u + thread] = low | (high << 16u);
}
