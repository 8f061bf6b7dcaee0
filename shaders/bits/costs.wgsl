// The costs of the search over the trellis.
// Costs are integers, so that all engines find the same code. `src/bit_codes/costs.rs` has their
// definition:
//     goal      = round(z C);  target = goal, within [least level - MARGIN, largest level + MARGIN]
//     slope     = min(|goal - target|, max_slope)
//     scale     = step C, rounded to 13 bits
//     e         = |target - round(table[state] scale)|
//     increment = f(e) + ((e slope) >> 15), where f(e) is (e e) >> 16 and linear in e for large e
//     and for a symbol of two latents the sum of two
// gives: MAX_COST, goal_of, increment

const MAX_COST: i32 = 32767;
const MARGIN: i32 = 4096;
const MAX_LEVEL: f32 = 268435456.0;
const MAX_GOAL: f32 = 536870912.0;

// The target of a latent, and the slope of its costs if it lies beyond.
fn goal_of(z: f32, low: i32, high: i32, max_slope: i32) -> vec2<i32> {
    let goal = i32(min(max(round(z), -MAX_GOAL), MAX_GOAL));
    let sought = clamp(goal, low - MARGIN, high + MARGIN);
    return vec2<i32>(sought, min(abs(goal - sought), max_slope));
}

fn increment(goal: vec2<i32>, shift: u32, value: f32) -> i32 {
    let level = i32(min(max(round(value), -MAX_LEVEL), MAX_LEVEL));
    let e = abs(goal.x - level);
    let near = min(e, MAX_COST);
    let inside = select((near * near) >> 16u, 16384 + ((e - 32768) >> shift), e > MAX_COST);
    return min(inside + ((e * goal.y) >> 15u), MAX_COST);
}
