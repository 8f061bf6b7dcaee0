// Pairs of values read from storage: for software adapters, for tables that f16 does not hold exactly, and
// for tables that workgroup memory has no room for.
// gives: prepare, prepare_region, pair

@group(0) @binding(5) var<storage, read> pairs: array<vec2<f32>>;

fn prepare(thread: u32) {
}

fn prepare_region(region: u32, group: u32, thread: u32) {
}

fn pair(at: u32) -> vec2<f32> {
    return pairs[at];
}
