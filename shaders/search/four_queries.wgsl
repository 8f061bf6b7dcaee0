// Four queries at a time: a vec4 of `queries` has one value of each. Rows are looked up once for all four,
// which take 1.7 times as long as one (H200).
// needs: queries
// gives: QUERIES, Sum, load_fours, add_fours, of_query

const QUERIES: u32 = 4u;

alias Sum = vec4<f32>;
alias Fours = mat4x4<f32>;

fn load_fours(at: u32) -> Fours {
    return mat4x4<f32>(queries[at], queries[at + 1u], queries[at + 2u], queries[at + 3u]);
}

fn add_fours(sum: Sum, q: Fours, v: vec4<f32>) -> Sum {
    return sum + q[0] * v.x + q[1] * v.y + q[2] * v.z + q[3] * v.w;
}

fn of_query(sum: Sum, query: u32) -> f32 {
    return sum[query];
}
