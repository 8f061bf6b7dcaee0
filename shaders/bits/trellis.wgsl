// The trellis encoder: the Viterbi algorithm (1967) over a bit-shift trellis. Row r's code is the
// path whose values are nearest to latents[r, ..].
//
// A state is a window of STATE_BITS bits. From state p, `width` new bits b lead to
//     p >> width | b << (STATE_BITS - width),
// so the 2^width states before any state with the lower bits g are those from g << width on. They
// are a group, and its best state is found once:
//     for each symbol:
//         lowest      = min over all states of cost[state], at every second symbol; else 0
//         best[g]     = min over h < 2^width of cost[g << width | h]      for each group g
//         cost[state] = min(best[state's group] - lowest + increment(state), MAX_COST) for each state
//     follow the decisions back from the best last state
// `bits/costs.wgsl` has the increment.
// 1. A workgroup owns a row. Its thread t owns the states, and the groups, t, t + THREADS, ...
// 2. Where there are fewer groups than threads, several threads find the same group's best, which
//    costs nothing and saves an exchange.
// 3. While fewer than STATE_BITS bits have been read, the missing bits of a state, its lowest, are
//    zero. A group then takes only every `stride`th of its states.
// 4. `lowest` is collected in two words in turn: one is set back while the other is filled.
// 5. Symbols outside the trellis, of more bits than a window has, go to their nearest level.
// decisions [chunk rows, DECISION_WORDS, THREADS]: for each symbol and group which of its states is
// best, packed by thread.
// needs: params, magnitude, SYMBOLS, CODE_WORDS, symbol_at, latents, tables, codes
// needs: region_of, first_latent, is_clipped, store_scale, MAX_COST, goal_of, increment, trace_back
// gives: STATE_BITS, choice_before, store_word

override STATE_BITS: u32;
override THREADS: u32;
// The most groups of a thread: 2^STATE_BITS / 2 / THREADS.
override OWNED: u32;
override DECISION_WORDS: u32;
// Words of workgroup memory: the states, or CODE_WORDS if that is more.
override MEMORY: u32;

const MAX_OWNED: u32 = 8u;

@group(0) @binding(6) var<storage, read_write> decisions: array<u32>;

// The cost of the best path to each state. In the end, the code.
var<workgroup> memory: array<u32, MEMORY>;
var<workgroup> lowest_costs: array<atomic<u32>, 2>;

fn decision_at(row: u32, word: u32, thread: u32) -> u32 {
    return (row * DECISION_WORDS + word) * THREADS + thread;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x;
    if row >= params.rows {
        return;
    }
    let states = 1u << STATE_BITS;
    let first = first_latent(row);
    let region = region_of(row);
    for (var state = thread; state < states; state += THREADS) {
        memory[state] = 0u;
    }
    if thread < 2u {
        atomicStore(&lowest_costs[thread], u32(MAX_COST));
    }
    workgroupBarrier();

    var largest = 0u;
    var clipped = false;
    // The index of the decision word that is being filled.
    var word = 0u;
    var filled = 0u;
    var turn = 0u;
    for (var i = 0u; i < SYMBOLS; i++) {
        let symbol = symbol_at(region * SYMBOLS + i);
        let z = latents[first + symbol.latent];
        let second_z = latents[first + symbol.latent + symbol.latents - 1u];
        largest = max(largest, magnitude(vec4<f32>(z, second_z, 0.0, 0.0)));
        clipped = clipped || is_clipped(z, second_z, symbol);
        if symbol.stride == 0u {
            continue;
        }
        if symbol.position / 32u != word {
            decisions[decision_at(row, word, thread)] = filled;
            word = symbol.position / 32u;
            filled = 0u;
        }
        let groups = states >> symbol.bits;
        // From a state to the next one of the same group.
        let step = max(groups, THREADS);
        var best: array<i32, MAX_OWNED>;
        var lowest = u32(MAX_COST);
        for (var m = 0u; m < OWNED; m++) {
            let owned = thread + m * THREADS;
            if owned < step {
                let before = (owned & (groups - 1u)) << symbol.bits;
                var cost = memory[before];
                lowest = min(lowest, cost);
                var choice = 0u;
                for (var j = 1u; j < 1u << symbol.bits; j++) {
                    let other = memory[before + j];
                    lowest = min(lowest, other);
                    let better = other < cost && j % symbol.stride == 0u;
                    choice = select(choice, j, better);
                    cost = select(cost, other, better);
                }
                best[m] = i32(cost);
                filled |= choice << (symbol.position % 32u + m * symbol.bits);
            }
        }
        atomicMin(&lowest_costs[turn], lowest);
        workgroupBarrier();
        let subtracted = select(0, i32(atomicLoad(&lowest_costs[turn])), turn == 1u);
        turn = 1u - turn;
        if thread == 0u {
            // Nobody reads this word before the next barrier.
            atomicStore(&lowest_costs[turn], u32(MAX_COST));
        }
        let goal = goal_of(z * symbol.cost_scale, symbol.low.x, symbol.high.x, symbol.max_slopes.x);
        let second_z_scaled = second_z * symbol.cost_scale;
        let second_goal = goal_of(second_z_scaled, symbol.low.y, symbol.high.y, symbol.max_slopes.y);
        for (var m = 0u; m < OWNED; m++) {
            let owned = thread + m * THREADS;
            if owned < step {
                for (var state = owned; state < states; state += step) {
                    let value = symbol.table_scales.x * tables[symbol.tables.x + state];
                    var sum = increment(goal, symbol.shifts.x, value);
                    if symbol.latents == 2u {
                        let second = symbol.table_scales.y * tables[symbol.tables.y + state];
                        sum = min(sum + increment(second_goal, symbol.shifts.y, second), MAX_COST);
                    }
                    memory[state] = u32(min(best[m] - subtracted + sum, MAX_COST));
                }
            }
        }
        workgroupBarrier();
    }
    decisions[decision_at(row, word, thread)] = filled;
    storageBarrier();

    if thread == 0u {
        trace_back(row, region, first, best_last_state(region));
        store_scale(row, largest, clipped);
    }
    workgroupBarrier();
    for (var at = thread; at < CODE_WORDS; at += THREADS) {
        codes[row * CODE_WORDS + at] = memory[at];
    }
}

// The best of the last states: the first of equals.
fn best_last_state(region: u32) -> u32 {
    let last_stride = max(symbol_at(region * SYMBOLS).last_stride, 1u);
    var state = 0u;
    var cost = memory[0];
    for (var other = last_stride; other < 1u << STATE_BITS; other += last_stride) {
        state = select(state, other, memory[other] < cost);
        cost = min(cost, memory[other]);
    }
    return state;
}

fn choice_before(row: u32, symbol: Symbol, group: u32) -> u32 {
    let at = decision_at(row, symbol.position / 32u, group % THREADS);
    let shift = symbol.position % 32u + group / THREADS * symbol.bits;
    return extractBits(decisions[at], shift, symbol.bits);
}

// The code takes the memory of the costs.
fn store_word(_row: u32, word: u32, value: u32) {
    memory[word] = value;
}
