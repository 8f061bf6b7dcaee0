// Projected queries as `coop_scan.wgsl` multiplies them: matrices of f16, and what belongs to each query and region.
//     matrices[query, value] = f16(scale projected[query, value])
//     centers = product with the centroid, 1 / scale
// scale: a power of two, with which the largest value lies between 2^13 and 2^14.
// A matrix has 16 queries, and MATRIX_VALUES / 16 of them lie one after the other. Then come those of the next 16
// queries, in all of a block before those of the next region. Queries that fill up the last block are zero.
// A workgroup has a query in a region.
// needs: magnitude, largest_of_workgroup

const WORKGROUP: u32 = 256u;
const SIDE: u32 = 16u;

override REGIONS: u32;
override VALUES4: u32;
// Values of a query in matrices.
override MATRIX_VALUES: u32;
override BLOCK_QUERIES: u32;

// [queries, REGIONS, 4 VALUES4 + 4]
@group(0) @binding(0) var<storage, read> projected: array<f32>;
// Two values of f16 in each.
@group(0) @binding(1) var<storage, read_write> matrices: array<u32>;
// [queries of all blocks, REGIONS]
@group(0) @binding(2) var<storage, read_write> centers: array<vec2<f32>>;

// The nearest f16 to a value below 2^15, as bits. Of two it is the even one: no conversion of WGSL promises it.
fn f16_bits(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let sign = bits >> 16u & 0x8000u;
    let size = bits & 0x7fffffffu;
    // Below 2^-14, multiples of 2^-24.
    if size < 0x38800000u {
        return sign | u32(round(abs(value) * 16777216.0));
    }
    return sign | (size - 0x38000000u + 0xfffu + (size >> 13u & 1u)) >> 13u;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let query = group.x;
    let region = group.y;
    let values = 4u * VALUES4;
    let stride = values + 4u;
    let count = arrayLength(&projected) / (REGIONS * stride);
    let is_query = query < count;
    // Where there is no such query, the last one is read.
    let first = (min(query, count - 1u) * REGIONS + region) * stride;
    var own_largest = 0u;
    for (var value = thread; value < values; value += WORKGROUP) {
        own_largest = max(own_largest, magnitude(vec4<f32>(projected[first + value])));
    }
    let largest = largest_of_workgroup(thread, own_largest);
    // 13 less the exponent of the largest value, at most 100, and both with the offset of 127 that bits have.
    let exponent = select(min(267u - (largest >> 23u), 227u), 127u, largest == 0u);
    let scale = bitcast<f32>(exponent << 23u);

    let block = query / BLOCK_QUERIES;
    let sixteen = query % BLOCK_QUERIES / SIDE;
    let to = ((block * REGIONS + region) * (BLOCK_QUERIES / SIDE) + sixteen) * SIDE * MATRIX_VALUES;
    for (var two = thread; two < MATRIX_VALUES / 2u; two += WORKGROUP) {
        let value = 2u * two;
        var bits = 0u;
        if is_query && value < values {
            bits = f16_bits(scale * projected[first + value])
                | f16_bits(scale * projected[first + value + 1u]) << 16u;
        }
        let matrix = to + value / SIDE * SIDE * SIDE;
        matrices[(matrix + query % SIDE * SIDE + value % SIDE) / 2u] = bits;
    }
    if thread == 0u {
        let center = select(0.0, projected[first + values], is_query);
        centers[query * REGIONS + region] = vec2<f32>(center, bitcast<f32>((254u - exponent) << 23u));
    }
}
