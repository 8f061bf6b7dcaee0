// One query at a time: a vec4 of `queries` has four of its values.
// needs: queries
// gives: QUERIES, Sum, load_fours, add_fours, of_query

const QUERIES: u32 = 1u;

alias Sum = f32;
alias Fours = vec4<f32>;

fn load_fours(at: u32) -> Fours {
    return queries[at];
}

fn add_fours(sum: Sum, q: Fours, v: vec4<f32>) -> Sum {
    return sum + q.x * v.x + q.y * v.y + q.z * v.z + q.w * v.w;
}

fn of_query(sum: Sum, query: u32) -> f32 {
    return sum;
}
