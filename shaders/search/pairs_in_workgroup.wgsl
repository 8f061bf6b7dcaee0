// Pairs of values in workgroup memory, as two f16 in a word. Only for tables that are exact in f16.
// needs: WORKGROUP
// gives: prepare, prepare_region, pair

override PAIRS: u32;

@group(0) @binding(5) var<storage, read> pairs: array<u32>;

var<workgroup> near_pairs: array<u32, PAIRS>;

fn prepare(thread: u32) {
    for (var i = thread; i < PAIRS; i += WORKGROUP) {
        near_pairs[i] = pairs[i];
    }
    workgroupBarrier();
}

fn prepare_region(region: u32, group: u32, thread: u32) {
}

fn pair(at: u32) -> vec2<f32> {
    return unpack2x16float(near_pairs[at]);
}
