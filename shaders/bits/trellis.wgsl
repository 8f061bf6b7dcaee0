// The trellis encoder: the Viterbi algorithm (1967) over a bit-shift trellis. Row r's code is the
// path whose values are nearest to latents[r, ..].
//
// A state is a window of STATE_BITS bits. From state p, `width` new bits b lead to
//     p >> width | b << (STATE_BITS - width),
// so the 2^width states before any state with the lower bits g are those from g << width on. They
// are a group, and its best state is found once:
//     for each latent:
//         best[g]     = min over h < 2^width of cost[g << width | h]      for each group g
//         cost[state] = best[state's group] + (z - step * table[state])^2 for each state
//     follow the decisions back from the best last state
// 1. A workgroup owns a row. Its thread t owns the states, and the groups, t, t + THREADS, ...
// 2. Where there are fewer groups than threads, several threads find the same group's best, which
//    costs nothing and saves an exchange.
// 3. Costs are stored as bits, because non-negative f32 values order like their bits.
// tables: 2^STATE_BITS values for each width. decisions [chunk rows, DECISION_WORDS, THREADS]: for
// each latent and group which of its states is best, packed by thread.
// needs: params, magnitude, LATENTS, CODE_WORDS, plan, latents, tables, codes
// needs: first_latent, store_scale

override STATE_BITS: u32;
override THREADS: u32;
// The most groups of a thread: 2^STATE_BITS / 2 / THREADS.
override OWNED: u32;
override DECISION_WORDS: u32;
// Words of workgroup memory: the states, or CODE_WORDS if that is more.
override MEMORY: u32;

const MAX_OWNED: u32 = 8u;
// A quarter of the largest f32: twice this is still finite.
const UNREACHED: u32 = 0x7e7fffffu;

@group(0) @binding(6) var<storage, read_write> decisions: array<u32>;

// The cost of the best path to each state. In the end, the code.
var<workgroup> memory: array<u32, MEMORY>;

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
    // Every path begins in state 0.
    for (var state = thread; state < states; state += THREADS) {
        memory[state] = select(UNREACHED, 0u, state == 0u);
    }
    workgroupBarrier();

    var largest = 0u;
    // The index of the decision word that is being filled.
    var word = 0u;
    var filled = 0u;
    for (var i = 0u; i < LATENTS; i++) {
        let latent = plan[i];
        let z = latents[first + i];
        largest = max(largest, magnitude(vec4<f32>(z)));
        if latent.position / 32u != word {
            decisions[decision_at(row, word, thread)] = filled;
            word = latent.position / 32u;
            filled = 0u;
        }
        let groups = states >> latent.width;
        // From a state to the next one of the same group.
        let stride = max(groups, THREADS);
        var best: array<f32, MAX_OWNED>;
        for (var m = 0u; m < OWNED; m++) {
            let owned = thread + m * THREADS;
            if owned < stride {
                let before = (owned & (groups - 1u)) << latent.width;
                var cost = memory[before];
                var choice = 0u;
                for (var j = 1u; j < 1u << latent.width; j++) {
                    let other = memory[before + j];
                    choice = select(choice, j, other < cost);
                    cost = min(cost, other);
                }
                best[m] = bitcast<f32>(cost);
                filled |= choice << (latent.position % 32u + m * latent.width);
            }
        }
        workgroupBarrier();
        let table = (latent.width - 1u) << STATE_BITS;
        for (var m = 0u; m < OWNED; m++) {
            let owned = thread + m * THREADS;
            if owned < stride {
                for (var state = owned; state < states; state += stride) {
                    let error = z - latent.step * tables[table + state];
                    memory[state] = bitcast<u32>(best[m] + error * error);
                }
            }
        }
        workgroupBarrier();
    }
    decisions[decision_at(row, word, thread)] = filled;
    storageBarrier();

    if thread == 0u {
        trace_back(row);
        store_scale(row, largest);
    }
    workgroupBarrier();
    for (var at = thread; at < CODE_WORDS; at += THREADS) {
        codes[row * CODE_WORDS + at] = memory[at];
    }
}

// Follows the decisions from the best last state and leaves the code in workgroup memory.
fn trace_back(row: u32) {
    var state = 0u;
    var cost = memory[0];
    for (var other = 1u; other < 1u << STATE_BITS; other++) {
        state = select(state, other, memory[other] < cost);
        cost = min(cost, memory[other]);
    }
    // From the code's last word to its first.
    var word = CODE_WORDS - 1u;
    var filled = 0u;
    for (var i = LATENTS; i > 0u; i--) {
        let latent = plan[i - 1u];
        let width = latent.width;
        // A latent's own bits are the most significant ones of its window.
        let code = state >> (STATE_BITS - width);
        let start = latent.end - width;
        if start < 32u * word {
            memory[word] = filled | code >> (32u * word - start);
            word--;
            filled = 0u;
        }
        filled |= code << (start % 32u);
        let group = state & ((1u << (STATE_BITS - width)) - 1u);
        let at = decision_at(row, latent.position / 32u, group % THREADS);
        let shift = latent.position % 32u + group / THREADS * width;
        state = group << width | extractBits(decisions[at], shift, width);
    }
    memory[0] = filled;
}
