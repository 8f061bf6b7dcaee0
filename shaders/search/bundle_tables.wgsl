// Tables of bundles for scalar codes. The bits of a bundle add to a query's product what its table says:
//     table[bits] = sum over the latents of the bundle:  q table of the latent[its bits]
// queries [queries, REGIONS, 4 (VALUES4 + 1)]: values, then what `scan.wgsl` reads.
// bundle_tables [queries, REGIONS, ENTRIES]
// A workgroup has the table of one bundle, for one query.

override REGIONS: u32;
// Bundles of all words.
override BUNDLES: u32;
// Latents of a bundle, at most.
override PER_BUNDLE: u32;
override VALUES4: u32;
override ENTRIES: u32;

const THREADS: u32 = 64u;

// One latent of a bundle. Without bits there is none.
struct Latent {
    // Which value of a query it is multiplied by.
    value: u32,
    // Its first bit in the bundle, and how many it has.
    shift: u32,
    bits: u32,
    // Where its table begins.
    first_entry: u32,
}

struct Bundle {
    bits: u32,
    // Where its table begins.
    table: u32,
}

@group(0) @binding(0) var<storage, read> queries: array<f32>;
// [REGIONS, BUNDLES, PER_BUNDLE]
@group(0) @binding(1) var<storage, read> latents: array<Latent>;
@group(0) @binding(2) var<storage, read> tables: array<f32>;
@group(0) @binding(3) var<storage, read> bundles: array<Bundle>;
@group(0) @binding(4) var<storage, read_write> bundle_tables: array<f32>;

// The entry of some bits in the table of a bundle. `values` is where the query's values begin.
fn entry(bundle: u32, values: u32, found: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < PER_BUNDLE; i++) {
        let latent = latents[bundle * PER_BUNDLE + i];
        if latent.bits == 0u {
            break;
        }
        let code = found >> latent.shift & ((1u << latent.bits) - 1u);
        sum += queries[values + latent.value] * tables[latent.first_entry + code];
    }
    return sum;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let region = group.x / BUNDLES;
    let bundle = bundles[group.x % BUNDLES];
    let values = (group.y * REGIONS + region) * 4u * (VALUES4 + 1u);
    let first = (group.y * REGIONS + region) * ENTRIES + bundle.table;
    for (var found = thread; found < 1u << bundle.bits; found += THREADS) {
        bundle_tables[first + found] = entry(group.x, values, found);
    }
}
