// Encode where a tile holds a row's whole latent: the product's rows are quantised out of registers.

@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
@group(0) @binding(5) var<storage, read_write> scales: array<f32>;

// The largest magnitude of each of the tile's rows.
var<workgroup> largest: array<atomic<u32>, TALL>;

@compute @workgroup_size(ACROSS, DOWN)
fn main_codes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    for (var row = local.y * ACROSS + local.x; row < TALL; row += ACROSS * DOWN) {
        atomicStore(&largest[row], 0u);
    }
    // Its barriers come between the zeros and the maxima.
    var sums = product(group.xy, local.xy);
    let first = group.y * TALL;
    for (var sum = 0u; sum < 16u; sum++) {
        let at = place(group.xy, local.xy, sum);
        if owned(sum) && at.y < OUTPUTS4 {
            sums[sum] = finish(at.x, at.y, sums[sum]);
            atomicMax(&largest[at.x - first], magnitude(sums[sum]));
        }
    }
    workgroupBarrier();
    for (var sum = 0u; sum < 16u; sum++) {
        let at = place(group.xy, local.xy, sum);
        if owned(sum) && at.y < OUTPUTS4 && at.x < params.rows {
            let scale = scale_of(atomicLoad(&largest[at.x - first]));
            codes[at.x * OUTPUTS4 + at.y] = codes_of(sums[sum], scale);
            if at.y == 0u {
                scales[at.x] = scale;
            }
        }
    }
}
