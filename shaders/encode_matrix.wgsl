// Encode where a tile holds a row's whole latent: the product's rows are quantised out of workgroup
// memory.

@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(5) var<storage, read_write> scales: array<f32>;

fn place_of(item: u32) -> u32 {
    return (item / WIDE4) * SUM_STRIDE + 4u * (item % WIDE4);
}

fn codes_item(group: vec3<u32>, item: u32) {
    let row = row_of(group, item);
    let o4 = item % WIDE4;
    if o4 < OUTPUTS4 && row < params.rows {
        let scale = get_sum((item / WIDE4) * SUM_STRIDE + COLUMNS).x;
        codes[row * OUTPUTS4 + o4] = codes_of(sum_of(item), scale);
    }
}

@compute @workgroup_size(THREADS)
fn main_codes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    product(group.xy, thread);
    for (var item = thread; item < ROWS * WIDE4; item += 4u * THREADS) {
        let a = finished_item(group, item);
        let b = finished_item(group, item + THREADS);
        let c = finished_item(group, item + 2u * THREADS);
        let d = finished_item(group, item + 3u * THREADS);
        put_sum(place_of(item), a);
        put_sum(place_of(item + THREADS), b);
        put_sum(place_of(item + 2u * THREADS), c);
        put_sum(place_of(item + 3u * THREADS), d);
    }
    workgroupBarrier();
    if thread < ROWS {
        var largest = 0u;
        for (var o4 = 0u; o4 < OUTPUTS4; o4++) {
            largest = max(largest, magnitude(sum_of(thread * WIDE4 + o4)));
        }
        let scale = scale_of(largest);
        // The padding behind a row's sums has room for it.
        put_sum(thread * SUM_STRIDE + COLUMNS, vec4<f32>(scale));
        let row = group.y * ROWS + thread;
        if row < params.rows {
            scales[row] = scale;
        }
    }
    workgroupBarrier();
    for (var item = thread; item < ROWS * WIDE4; item += 4u * THREADS) {
        codes_item(group, item);
        codes_item(group, item + THREADS);
        codes_item(group, item + 2u * THREADS);
        codes_item(group, item + 3u * THREADS);
    }
}
