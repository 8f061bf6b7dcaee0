// The trellis encoder where a subgroup has a lane for every eight states. `bits/trellis.wgsl` has the
// algorithm, and gives the same codes.
//
// Lane L owns the states 8 L to 8 L + 7, in two vectors of four. Their costs never leave registers, and
// nothing waits: where trellis.wgsl has workgroup memory and two barriers per symbol, lanes exchange what
// they need.
//     w bits per symbol; G = 2^STATE_BITS >> w groups; group g is the states g << w | h, h < 2^w
// 1. w = 1: a lane has four groups, pairs of neighbouring states. w = 2: it has two. w >= 3: 2^(w - 3)
//    lanes share a group, and find its best state in as many exchanges.
// 2. After the symbol, state s is reached from group s & (G - 1), whose first state before is
//    (s << w) & (2^STATE_BITS - 1), of the lane of an eighth of that. With w = 1 and 2, a lane's eight new
//    states need four words with the bests of two groups each: costs have 15 bits.
// 3. The best state of a group is that of the lowest cost << w | h. Ties go to the lowest h, as they do
//    in trellis.wgsl.
// 4. Symbols are ordered by their rates, so that a lane keeps its eight values of the table in registers,
//    and loads them only where the rate changes.
// 5. Levels of narrow symbols, which are nearly all, fit 16 bits: their increment is the squared error
//    alone unless the latent lies beyond the table. A conversion to integers would take as long as four
//    other instructions, and an addition does it as well.
// 6. Tracing back, all lanes follow the path. Each holds its own decisions, and the lane of the path's
//    group gives away what it has: one exchange per symbol, and one load per eight symbols.
// decisions [chunk rows, DECISION_WORDS, lanes]: a lane's own, of each symbol: a bit for each of four
// groups, two bits for each of two, or w bits for the group that it shares.
// needs: params, magnitude, SYMBOLS, CODE_WORDS, symbol_at, latents, tables, codes
// needs: region_of, first_latent, is_clipped, store_scale, MAX_COST, goal_of, increment, trace_back
// gives: STATE_BITS, choice_before, store_word

override STATE_BITS: u32;
override WORKGROUP: u32;
override DECISION_WORDS: u32;

const OWNED: u32 = 8u;
// Above every key of a state.
const NO_STATE: i32 = 0x40000000;

@group(0) @binding(6) var<storage, read_write> decisions: array<u32>;

var<private> lane: u32;

fn decision_at(row: u32, word: u32) -> u32 {
    return (row * DECISION_WORDS + word) * ((1u << STATE_BITS) / OWNED) + lane;
}

// Eight numbers of a lane's states.
struct Owned {
    low: vec4<i32>,
    high: vec4<i32>,
}

struct OwnedValues {
    low: vec4<f32>,
    high: vec4<f32>,
}

fn own_values(first: u32) -> OwnedValues {
    let low = vec4<f32>(tables[first], tables[first + 1u], tables[first + 2u], tables[first + 3u]);
    let high = vec4<f32>(tables[first + 4u], tables[first + 5u], tables[first + 6u], tables[first + 7u]);
    return OwnedValues(low, high);
}

// A number below 2^22 that is added to this is rounded to a whole number in the sum's last bits.
const WHOLE: f32 = 12582912.0;
const WHOLE_BITS: i32 = 0x4b400000;

// Products with the scale are exact, so that it does not matter whether they are rounded before the sum.
fn narrow_increments(goal: i32, scale: f32, values: vec4<f32>) -> vec4<i32> {
    let e = vec4<i32>(goal + WHOLE_BITS) - bitcast<vec4<i32>>(values * scale + WHOLE);
    return (e * e) >> vec4<u32>(16u);
}

fn any_increments(goal: vec2<i32>, shift: u32, values: vec4<f32>) -> vec4<i32> {
    return vec4<i32>(
        increment(goal, shift, values.x),
        increment(goal, shift, values.y),
        increment(goal, shift, values.z),
        increment(goal, shift, values.w),
    );
}

// The increments of one latent of a symbol. All lanes take the same way.
fn increments(goal: vec2<i32>, shift: u32, narrow: bool, scale: f32, values: OwnedValues) -> Owned {
    if narrow && goal.y == 0 {
        let low = narrow_increments(goal.x, scale, values.low);
        return Owned(low, narrow_increments(goal.x, scale, values.high));
    }
    let low = any_increments(goal, shift, scale * values.low);
    return Owned(low, any_increments(goal, shift, scale * values.high));
}

// Costs, each above the number `h` of its state in the group.
fn keys(costs: vec4<i32>, h: vec4<i32>, width: u32, stride: u32) -> vec4<i32> {
    let all = (costs << vec4<u32>(width)) + h;
    if stride == 1u {
        return all;
    }
    return select(vec4<i32>(NO_STATE), all, (h & vec4<i32>(i32(stride) - 1)) == vec4<i32>());
}

fn lowest_of(a: vec4<i32>) -> i32 {
    return min(min(a.x, a.y), min(a.z, a.w));
}

// Two costs from each of two words.
fn unpacked(a: u32, b: u32) -> vec4<i32> {
    return vec4<i32>(vec4<u32>(a & 0xffffu, a >> 16u, b & 0xffffu, b >> 16u));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) own_lane: u32,
) {
    lane = own_lane;
    let states = 1u << STATE_BITS;
    let lanes = states / OWNED;
    let row = group.x * (WORKGROUP / lanes) + subgroup;
    if row >= params.rows {
        return;
    }
    let first = first_latent(row);
    let region = region_of(row);
    let first_symbol = region * SYMBOLS;

    var largest = 0u;
    var clipped = false;
    for (var i = lane; i < SYMBOLS; i += lanes) {
        let symbol = symbol_at(first_symbol + i);
        let z = latents[first + symbol.latent];
        let second_z = latents[first + symbol.latent + symbol.latents - 1u];
        largest = max(largest, magnitude(vec4<f32>(z, second_z, 0.0, 0.0)));
        clipped = clipped || is_clipped(z, second_z, symbol);
    }
    largest = subgroupMax(largest);
    clipped = subgroupAny(clipped);

    var costs = Owned(vec4<i32>(), vec4<i32>());
    // Which tables the values are of.
    var tables_at = vec2<u32>(0xffffffffu);
    var values: OwnedValues;
    var second_values: OwnedValues;
    // The index of the decision word that is being filled.
    var word = 0u;
    var filled = 0u;
    // Whether the symbol is the second, fourth and so on of the trellis.
    var is_second = false;
    for (var i = 0u; i < SYMBOLS; i++) {
        let symbol = symbol_at(first_symbol + i);
        if symbol.stride == 0u {
            continue;
        }
        let width = symbol.bits;
        if any(symbol.tables != tables_at) {
            tables_at = symbol.tables;
            values = own_values(tables_at.x + OWNED * lane);
            second_values = own_values(tables_at.y + OWNED * lane);
        }
        if symbol.position / 32u != word {
            decisions[decision_at(row, word)] = filled;
            word = symbol.position / 32u;
            filled = 0u;
        }

        let narrow = symbol.narrow == 1u;
        let z = latents[first + symbol.latent] * symbol.cost_scale;
        let goal = goal_of(z, symbol.low.x, symbol.high.x, symbol.max_slopes.x);
        var sums = increments(goal, symbol.shifts.x, narrow, symbol.table_scales.x, values);
        if symbol.latents == 2u {
            let second_z = latents[first + symbol.latent + 1u] * symbol.cost_scale;
            let second_goal = goal_of(second_z, symbol.low.y, symbol.high.y, symbol.max_slopes.y);
            let scale = symbol.table_scales.y;
            let second = increments(second_goal, symbol.shifts.y, narrow, scale, second_values);
            sums.low = min(sums.low + second.low, vec4<i32>(MAX_COST));
            sums.high = min(sums.high + second.high, vec4<i32>(MAX_COST));
        }

        var lowest = 0;
        if is_second {
            lowest = subgroupMin(min(lowest_of(costs.low), lowest_of(costs.high)));
        }
        is_second = !is_second;
        var choices: u32;
        // The cost of the best state before each of the lane's states.
        var before: Owned;
        if width == 1u {
            let even = vec4<i32>(costs.low.xz, costs.high.xz);
            let odd = vec4<i32>(costs.low.yw, costs.high.yw);
            let better = (odd < even) & vec4<bool>(symbol.stride == 1u);
            let best = vec4<u32>(select(even, odd, better));
            let bits = select(vec4<u32>(), vec4<u32>(1u, 2u, 4u, 8u), better);
            choices = bits.x | bits.y | bits.z | bits.w;
            let a = best.x | best.y << 16u;
            let b = best.z | best.w << 16u;
            let from_lane = (2u * lane) & (lanes - 1u);
            before.low = unpacked(subgroupShuffle(a, from_lane), subgroupShuffle(b, from_lane));
            let next_lane = from_lane + 1u;
            before.high = unpacked(subgroupShuffle(a, next_lane), subgroupShuffle(b, next_lane));
        } else if width == 2u {
            let h = vec4<i32>(0, 1, 2, 3);
            let low = lowest_of(keys(costs.low, h, width, symbol.stride));
            let high = lowest_of(keys(costs.high, h, width, symbol.stride));
            choices = u32(low & 3 | (high & 3) << 2u);
            let both = u32(low >> 2u | high >> 2u << 16u);
            let from_lane = (4u * lane) & (lanes - 1u);
            let a = subgroupShuffle(both, from_lane);
            let b = subgroupShuffle(both, from_lane + 1u);
            before.low = unpacked(a, b);
            let c = subgroupShuffle(both, from_lane + 2u);
            let d = subgroupShuffle(both, from_lane + 3u);
            before.high = unpacked(c, d);
        } else {
            let mask = (1u << width) - 1u;
            let own = vec4<u32>(OWNED * lane) + vec4<u32>(0u, 1u, 2u, 3u);
            let h = vec4<i32>(own & vec4<u32>(mask));
            // Eight neighbouring states have neighbouring numbers in their group.
            let low = keys(costs.low, h, width, symbol.stride);
            let high = keys(costs.high, h + vec4<i32>(4), width, symbol.stride);
            var key = min(lowest_of(low), lowest_of(high));
            for (var step = 1u; step < (1u << width) / OWNED; step <<= 1u) {
                key = min(key, subgroupShuffleXor(key, step));
            }
            choices = u32(key) & mask;
            let best = key >> width;
            let step = (1u << width) / OWNED;
            let first_lane = OWNED * lane * step;
            let lanes_low = (vec4<u32>(first_lane) + vec4<u32>(0u, 1u, 2u, 3u) * step) & vec4<u32>(lanes - 1u);
            let lanes_high = (lanes_low + vec4<u32>(4u * step)) & vec4<u32>(lanes - 1u);
            before.low.x = subgroupShuffle(best, lanes_low.x);
            before.low.y = subgroupShuffle(best, lanes_low.y);
            before.low.z = subgroupShuffle(best, lanes_low.z);
            before.low.w = subgroupShuffle(best, lanes_low.w);
            before.high.x = subgroupShuffle(best, lanes_high.x);
            before.high.y = subgroupShuffle(best, lanes_high.y);
            before.high.z = subgroupShuffle(best, lanes_high.z);
            before.high.w = subgroupShuffle(best, lanes_high.w);
        }
        filled |= choices << (symbol.position % 32u);
        costs.low = min(before.low - vec4<i32>(lowest) + sums.low, vec4<i32>(MAX_COST));
        costs.high = min(before.high - vec4<i32>(lowest) + sums.high, vec4<i32>(MAX_COST));
    }
    decisions[decision_at(row, word)] = filled;

    // The best of the last states: the first of equals.
    let last_stride = max(symbol_at(first_symbol).last_stride, 1u);
    let own = vec4<u32>(OWNED * lane) + vec4<u32>(0u, 1u, 2u, 3u);
    let others = vec4<u32>(last_stride - 1u);
    let low = costs.low << vec4<u32>(STATE_BITS) | vec4<i32>(own);
    let high = costs.high << vec4<u32>(STATE_BITS) | vec4<i32>(own + vec4<u32>(4u));
    let no_state = vec4<i32>(NO_STATE);
    let taken_low = select(no_state, low, (own & others) == vec4<u32>());
    let taken_high = select(no_state, high, ((own + vec4<u32>(4u)) & others) == vec4<u32>());
    let last = subgroupMin(min(lowest_of(taken_low), lowest_of(taken_high)));
    trace_back(row, region, first, u32(last) & (states - 1u));
    if lane == 0u {
        store_scale(row, largest, clipped);
    }
}

// The decisions of its own that the lane holds, and their word.
var<private> held: u32;
var<private> held_word: u32 = 0xffffffffu;

fn choice_before(row: u32, symbol: Symbol, group: u32) -> u32 {
    if symbol.position / 32u != held_word {
        held_word = symbol.position / 32u;
        held = decisions[decision_at(row, held_word)];
    }
    let before = group << symbol.bits;
    let given = subgroupShuffle(held, before / OWNED);
    let at = symbol.position % 32u + ((before % OWNED) >> symbol.bits) * symbol.bits;
    return extractBits(given, at, symbol.bits);
}

fn store_word(row: u32, word: u32, value: u32) {
    if lane == 0u {
        codes[row * CODE_WORDS + word] = value;
    }
}
