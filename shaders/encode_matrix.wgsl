// Encode where a tile holds a row's whole latent: the product's rows are quantised out of workgroup
// memory.

@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(5) var<storage, read_write> scales: array<f32>;

@compute @workgroup_size(THREADS)
fn main_codes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    product(group.xy, thread);
    if thread < ROWS {
        let row = group.y * ROWS + thread;
        var largest = 0u;
        for (var o4 = 0u; o4 < OUTPUTS4; o4++) {
            largest = max(largest, magnitude(finish(row, o4, sum_of(thread * WIDE4 + o4))));
        }
        let scale = scale_of(largest);
        // The padding behind a row's sums has room for it.
        put_sum(thread * SUM_STRIDE + COLUMNS, vec4<f32>(scale));
        if row < params.rows {
            scales[row] = scale;
        }
    }
    workgroupBarrier();
    for (var item = thread; item < ROWS * WIDE4; item += THREADS) {
        let o4 = item % WIDE4;
        let row = group.y * ROWS + item / WIDE4;
        if o4 < OUTPUTS4 && row < params.rows {
            let scale = get_sum((item / WIDE4) * SUM_STRIDE + COLUMNS).x;
            codes[row * OUTPUTS4 + o4] = codes_of(finish(row, o4, sum_of(item)), scale);
        }
    }
}
