// Projected queries as quad_products.wgsl multiplies them, in integers of 16 bits:
//     int16[look-up, byte] = floor(scale projected[value] / query scale + 1/2)
//     query scale = the largest scale |projected[value]| of the region / 32512
// Each integer is 256 times a high byte, plus a low byte. The high bytes of a look-up make a u32, and so do the low ones.
//
// A product is off by at most a margin:
//     sum over bytes of   error |projected[value]|       of the values in the tables
//                       + 0.52 query scale 128           of the query: half a query scale, and roundings
//                       + 2^-112                         numbers below 2^-126 may count as zero
// A workgroup has a query in a region.
// needs: magnitude, largest_of_workgroup, sum_of_threads
// gives: WORKGROUP

const WORKGROUP: u32 = 256u;
const BYTES: u32 = 4u;
const LARGEST: f32 = 32512.0;
// Of a byte of a table.
const LARGEST_BYTE: f32 = 128.0;

override REGIONS: u32;
override VALUES4: u32;
// Of a region.
override LOOK_UPS: u32;
// Queries of a group.
override QUERIES: u32;

// What a query's value is multiplied by for a byte of a look-up, and what the byte's value is off by. 0xffffffff is no
// value.
struct Byte {
    value: u32,
    scale: f32,
    error: f32,
}

// [queries, REGIONS, 4 VALUES4 + 4]
@group(0) @binding(0) var<storage, read> projected: array<f32>;
// [REGIONS, LOOK_UPS, BYTES]
@group(0) @binding(1) var<storage, read> all_bytes: array<Byte>;
// [groups, REGIONS, 2 LOOK_UPS QUERIES + 12]: [LOOK_UPS, high and low, QUERIES], then as f32 four query scales, four margins
// and four products with the centroid.
@group(0) @binding(2) var<storage, read_write> packed_queries: array<u32>;

struct Scaled {
    value: f32,
    scaled: f32,
    error: f32,
    is_value: bool,
}

// What a byte is multiplied by, of the query whose values begin at `first`.
fn scaled(region: u32, number: u32, first: u32, is_query: bool) -> Scaled {
    let byte = all_bytes[region * LOOK_UPS * BYTES + number];
    if !is_query || byte.value == 0xffffffffu {
        return Scaled(0.0, 0.0, 0.0, false);
    }
    let value = projected[first + byte.value];
    return Scaled(value, byte.scale * value, byte.error, true);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let query = id.x;
    let region = id.y;
    let stride = 4u * VALUES4 + 4u;
    // What fills up the last group is zero.
    let count = arrayLength(&projected) / (REGIONS * stride);
    let is_query = query < count;
    let first = (min(query, count - 1u) * REGIONS + region) * stride;

    var own_largest = 0u;
    for (var i = thread; i < LOOK_UPS * BYTES; i += WORKGROUP) {
        own_largest = max(own_largest, magnitude(vec4<f32>(scaled(region, i, first, is_query).scaled)));
    }
    let largest = bitcast<f32>(largest_of_workgroup(thread, own_largest));
    let query_scale = max(largest / LARGEST, 0x1p-100);

    var own_error = 0.0;
    for (var i = thread; i < LOOK_UPS * BYTES; i += WORKGROUP) {
        let byte = scaled(region, i, first, is_query);
        if byte.is_value {
            own_error += abs(byte.value) * byte.error + 0.52 * LARGEST_BYTE * query_scale + 0x1p-112;
        }
    }
    let error = sum_of_threads(thread, WORKGROUP, own_error);

    let words = 2u * LOOK_UPS * QUERIES;
    let block = (query / QUERIES * REGIONS + region) * (words + 12u);
    let in_group = query % QUERIES;
    for (var look_up = thread; look_up < LOOK_UPS; look_up += WORKGROUP) {
        var high = 0u;
        var low = 0u;
        for (var i = 0u; i < BYTES; i++) {
            let byte = scaled(region, look_up * BYTES + i, first, is_query);
            let integer = i32(floor(byte.scaled / query_scale + 0.5));
            let its_high = (integer + 128) >> 8u;
            high |= (bitcast<u32>(its_high) & 0xffu) << (8u * i);
            low |= (bitcast<u32>(integer - 256 * its_high) & 0xffu) << (8u * i);
        }
        let to = block + look_up * 2u * QUERIES + in_group;
        packed_queries[to] = high;
        packed_queries[to + QUERIES] = low;
    }
    if thread == 0u {
        let to = block + words + in_group;
        let center = select(0.0, projected[first + 4u * VALUES4], is_query);
        packed_queries[to] = bitcast<u32>(query_scale);
        // Rounding takes less than a thousandth of the sum.
        packed_queries[to + 4u] = bitcast<u32>(1.001 * error);
        packed_queries[to + 8u] = bitcast<u32>(center);
    }
}
