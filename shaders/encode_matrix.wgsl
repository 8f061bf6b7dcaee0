// Encode where a tile holds a row's whole latent: the product's rows are quantised out of workgroup
// memory.

@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(5) var<storage, read_write> scales: array<f32>;

// The largest magnitude of each of the tile's rows.
var<workgroup> largest: array<atomic<u32>, ROWS>;

@compute @workgroup_size(THREADS)
fn main_codes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    if thread < ROWS {
        atomicStore(&largest[thread], 0u);
    }
    // Its barriers come between the zeros and the maxima.
    product(group.xy, thread);
    for (var item = thread; item < ROWS * WIDE4; item += THREADS) {
        let o4 = item % WIDE4;
        if o4 < OUTPUTS4 {
            let z = finish(group.y * ROWS + item / WIDE4, o4, sum_of(item));
            atomicMax(&largest[item / WIDE4], magnitude(z));
        }
    }
    workgroupBarrier();
    for (var item = thread; item < ROWS * WIDE4; item += THREADS) {
        let o4 = item % WIDE4;
        let row = group.y * ROWS + item / WIDE4;
        if o4 < OUTPUTS4 && row < params.rows {
            let scale = scale_of(atomicLoad(&largest[item / WIDE4]));
            codes[row * OUTPUTS4 + o4] = codes_of(finish(row, o4, sum_of(item)), scale);
            if o4 == 0u {
                scales[row] = scale;
            }
        }
    }
}
