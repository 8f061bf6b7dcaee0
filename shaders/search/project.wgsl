// Queries in the latent space of some regions, or some of their values there:
//     projected[query, region, value] = sum_d scaled[query, d] weights[region, d, value]
// weights [regions, INPUTS, PART_FOURS]: columns of the decoder times the steps of the latents, in the order in
// which rows are looked up, then the centroid and zeros.
// A workgroup has four queries and 64 values of a region. A thread has four values of all four queries, and sums a
// sixteenth of the dimensions, so that few queries employ a whole GPU, too, and roundings are few: a sum is off by at
// most INPUTS / 16 + 5 roundings of the sum of its magnitudes.

// Threads side by side, each with four values, and slices of the dimensions.
const LANES: u32 = 16u;
const SLICES: u32 = 16u;
const WORKGROUP: u32 = LANES * SLICES;
const BLOCK_VALUES: u32 = 4u * LANES;

override REGIONS: u32;
// The first of the regions whose weights there are.
override FIRST_REGION: u32;
// Values of a query row.
override INPUTS: u32;
override VALUES4: u32;
// The first four values of which there are weights, and how many fours.
override FIRST_FOUR: u32;
override PART_FOURS: u32;
// Queries of a group, whose values lie side by side.
override QUERIES: u32;

// [queries, INPUTS]
@group(0) @binding(0) var<storage, read> scaled: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
// [groups, REGIONS, 4 VALUES4 + 4 / QUERIES, QUERIES]: as `queries` in `scan.wgsl`, value by value. What fills up the
// last group is zero.
@group(0) @binding(2) var<storage, read_write> projected: array<f32>;

// Four values of each of the four queries.
alias Sums = array<vec4<f32>, 4>;

var<workgroup> sums: array<Sums, WORKGROUP>;

fn sum_of_slice(first: u32, count: u32, region: u32, four: u32, slice: u32) -> Sums {
    let slice_inputs = (INPUTS + SLICES - 1u) / SLICES;
    let end = min((slice + 1u) * slice_inputs, INPUTS);
    // Where there is no such query, the last one is read.
    let a = min(first, count - 1u) * INPUTS;
    let b = min(first + 1u, count - 1u) * INPUTS;
    let c = min(first + 2u, count - 1u) * INPUTS;
    let d = min(first + 3u, count - 1u) * INPUTS;
    var sum: Sums;
    for (var i = slice * slice_inputs; i < end; i++) {
        let weight = weights[(region * INPUTS + i) * PART_FOURS + four];
        sum[0] += scaled[a + i] * weight;
        sum[1] += scaled[b + i] * weight;
        sum[2] += scaled[c + i] * weight;
        sum[3] += scaled[d + i] * weight;
    }
    return sum;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = (PART_FOURS + LANES - 1u) / LANES;
    let region = group.x / blocks;
    let block = group.x % blocks;
    let first = 4u * group.y;
    let count = arrayLength(&scaled) / INPUTS;
    let slice = thread / LANES;
    let four = min(block * LANES + thread % LANES, PART_FOURS - 1u);
    sums[thread] = sum_of_slice(first, count, region, four, slice);
    workgroupBarrier();
    for (var distance = SLICES / 2u; distance > 0u; distance /= 2u) {
        if slice < distance {
            for (var i = 0u; i < 4u; i++) {
                sums[thread][i] += sums[thread + distance * LANES][i];
            }
        }
        workgroupBarrier();
    }

    // A thread writes one value of one query. The last value is the product with the centroid.
    let query = first + thread / BLOCK_VALUES;
    let in_part = block * BLOCK_VALUES + thread % BLOCK_VALUES;
    let value = 4u * FIRST_FOUR + in_part;
    let lists = (count + QUERIES - 1u) / QUERIES * QUERIES;
    if query < lists && in_part < 4u * PART_FOURS && value <= 4u * VALUES4 {
        let found = sums[thread % BLOCK_VALUES / 4u][thread / BLOCK_VALUES][thread % 4u];
        let group_values = 4u * (VALUES4 * QUERIES + 1u);
        let to = (query / QUERIES * REGIONS + FIRST_REGION + region) * group_values;
        projected[to + value * QUERIES + query % QUERIES] = select(0.0, found, query < count);
    }
}
