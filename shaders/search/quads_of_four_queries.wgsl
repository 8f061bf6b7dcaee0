// Four queries in integers at a time. Rows are looked up once for all four.
// needs: near_queries
// gives: QUERIES, Totals, add_quads, product_of

const QUERIES: u32 = 4u;

// Of the products with the high bytes, and with the low ones.
struct Totals {
    high: vec4<i32>,
    low: vec4<i32>,
}

// The products of a look-up with the bytes of each query.
fn with_all(quad: u32, q: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(
        dot4I8Packed(quad, q.x),
        dot4I8Packed(quad, q.y),
        dot4I8Packed(quad, q.z),
        dot4I8Packed(quad, q.w),
    );
}

// Adds the products with two neighbouring look-ups, the two of number `two` in a region.
fn add_quads(totals: Totals, two: u32, first: u32, second: u32) -> Totals {
    let at = 4u * two;
    let high = with_all(first, near_queries[at]) + with_all(second, near_queries[at + 2u]);
    let low = with_all(first, near_queries[at + 1u]) + with_all(second, near_queries[at + 3u]);
    return Totals(totals.high + high, totals.low + low);
}

// Without the scale of the query.
fn product_of(totals: Totals, query: u32) -> f32 {
    return 256.0 * f32(totals.high[query]) + f32(totals.low[query]);
}
