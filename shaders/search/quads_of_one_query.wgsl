// One query in integers.
// needs: near_queries
// gives: QUERIES, Totals, add_quads, product_of

const QUERIES: u32 = 1u;

// Of the products with the high bytes, and with the low ones.
struct Totals {
    high: i32,
    low: i32,
}

// Adds the products with two neighbouring look-ups, the two of number `two` in a region.
fn add_quads(totals: Totals, two: u32, first: u32, second: u32) -> Totals {
    let q = near_queries[two];
    let high = dot4I8Packed(first, q.x) + dot4I8Packed(second, q.z);
    let low = dot4I8Packed(first, q.y) + dot4I8Packed(second, q.w);
    return Totals(totals.high + high, totals.low + low);
}

// Without the scale of the query.
fn product_of(totals: Totals, query: u32) -> f32 {
    return 256.0 * f32(totals.high) + f32(totals.low);
}
