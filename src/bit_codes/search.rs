//! The search for the best path through a bit-shift trellis (Viterbi, 1967).
//!
//! A state is a window of `S` bits. From state `p`, a symbol of `w` bits `b` leads to
//! `p >> w | b << (S - w)`. The states that lead to one of the `2^w` states with the same lower bits
//! `g` are the `2^w` consecutive ones from `g << w` on: they are group `g`.
//!
//! ```text
//! cost = 0 for each state
//! for each symbol:
//!     best[g]     = min over h < 2^w of cost[g << w | h]          for each group g; the lowest of equals
//!     cost[state] = best[state's group] + increment(state)        see `costs`
//! follow the decisions back from the best last state
//! ```
//!
//! 1. Bits before the trellis are zero. While fewer than `S` bits have been read, a group takes only
//!    states whose missing bits, the lowest, are zero. So does the choice of the last state.
//! 2. Rows are searched side by side, one per lane of a vector of `i16`. Every operation is one
//!    instruction over all rows, and the costs of all states of `L` rows stay in the first cache.
//! 3. The `w` bits of each decision are packed into words of 16 bits. With 256 states that is at most
//!    32 bytes per symbol and row, so that the decisions of a row of 300 latents stay in the second
//!    cache.
//! 4. Where the decisions of all symbols exceed [`DECISION_BYTES`], the symbols are searched in
//!    segments: the costs at the beginning of each segment are stored, the decisions are stored for
//!    one segment at a time, and the segments before the last are advanced a second time when the path
//!    is traced back. The result is the same.

use std::ops::Range;

use super::costs::{Range as LevelRange, cost_scale, is_narrow, set_levels};
use super::paths::{
    Any, Lanes, One, Paths, Step, Targets, Two, any_slope, groups_per_word, narrowed,
};
use super::plan::BitPlan;

/// The most bytes of decisions that a search stores, unless a single symbol has more.
const DECISION_BYTES: usize = 64 << 20;

/// Finds for each row of latents the windows of the trellis' symbols whose values are nearest to the
/// row. Windows are `[rows, symbols]`. The windows of other symbols are left as they are.
pub(super) fn search(plan: &BitPlan, state_bits: u32, latents: &[f32], windows: &mut [u16]) {
    search_within(plan, state_bits, DECISION_BYTES, latents, windows);
}

/// The search with at most `decision_bytes` bytes of decisions.
fn search_within(
    plan: &BitPlan,
    state_bits: u32,
    decision_bytes: usize,
    latents: &[f32],
    windows: &mut [u16],
) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512bw") {
        return search_lanes::<32>(plan, state_bits, decision_bytes, latents, windows);
    }
    search_lanes::<16>(plan, state_bits, decision_bytes, latents, windows);
}

/// The search of `L` rows side by side.
fn search_lanes<const L: usize>(
    plan: &BitPlan,
    state_bits: u32,
    decision_bytes: usize,
    latents: &[f32],
    windows: &mut [u16],
) {
    let arch = pulp::Arch::new();
    if plan.symbols().iter().any(|symbol| symbol.rate.bits() <= state_bits) {
        arch.dispatch(Rows::<L> { plan, state_bits, decision_bytes, latents, windows });
    }
}

/// The search of rows, as a function that the best vectors of the machine are used for. A closure would
/// not do: where the compiler does not inline it, it is compiled for the least of all machines.
struct Rows<'a, const L: usize> {
    plan: &'a BitPlan,
    state_bits: u32,
    decision_bytes: usize,
    latents: &'a [f32],
    windows: &'a mut [u16],
}

impl<const L: usize> pulp::NullaryFnOnce for Rows<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { plan, state_bits, decision_bytes, latents, windows } = self;
        let mut search = Search::<L>::new(plan, state_bits, decision_bytes);
        let rows = latents.chunks(L * plan.latents());
        for (latents, windows) in rows.zip(windows.chunks_mut(L * plan.symbols().len())) {
            search.run(latents, windows);
        }
    }
}

struct Search<'a, const L: usize> {
    plan: &'a BitPlan,
    state_bits: u32,
    cost_scale: f32,
    steps: Vec<Step>,
    narrow_levels: Vec<i16>,
    wide_levels: Vec<i32>,
    /// The cost of the best path to each state, and the least of them.
    costs: Vec<Lanes<L>>,
    next_costs: Vec<Lanes<L>>,
    least: Lanes<L>,
    /// For each symbol of a segment and each group, which of the states before it is best: `w` bits,
    /// as many as fit a word.
    decisions: Vec<[u16; L]>,
    segments: Vec<Range<usize>>,
    /// The costs before each segment but the first, and the least of them: one segment after the
    /// other.
    checkpoints: Vec<Lanes<L>>,
}

impl<'a, const L: usize> Search<'a, L> {
    #[inline(always)]
    fn new(plan: &'a BitPlan, state_bits: u32, decision_bytes: usize) -> Self {
        let states = 1usize << state_bits;
        let cost_scale = cost_scale(plan);
        let max_decisions = decision_bytes / size_of::<[u16; L]>();
        let (mut steps, mut segments) = (Vec::new(), Vec::new());
        let (mut narrow_levels, mut wide_levels) = (Vec::new(), Vec::new());
        let (mut begin, mut end, mut longest) = (0, 0, 0);
        for (number, symbol) in plan.symbols().iter().enumerate() {
            let bits = symbol.rate.bits();
            if bits > state_bits {
                continue;
            }
            let words = (states >> bits).div_ceil(groups_per_word(bits));
            if end + words > max_decisions && steps.len() > begin {
                segments.push(begin..steps.len());
                (begin, end) = (steps.len(), 0);
            }
            let two_latents = symbol.rate.latents() == 2;
            let first = wide_levels.len();
            let mut ranges = [LevelRange::new(0, 0); 2];
            for (latent, range) in ranges.iter_mut().enumerate().take(symbol.rate.latents()) {
                let start = wide_levels.len();
                wide_levels.resize(start + states, 0);
                *range = set_levels(plan, symbol, latent, cost_scale, &mut wide_levels[start..]);
            }
            let narrow = is_narrow(&ranges);
            let levels = if narrow { narrow_levels.len() } else { first };
            if narrow {
                narrow_levels.extend(wide_levels.drain(first..).map(|level| level as i16));
            }
            let stride = plan.stride(number) as usize;
            let (symbol, latent) = (number, symbol.latent);
            let decisions = end;
            steps.push(Step {
                symbol,
                latent,
                two_latents,
                bits,
                stride,
                ranges,
                narrow,
                levels,
                decisions,
            });
            end += words;
            longest = longest.max(end);
        }
        segments.push(begin..steps.len());
        Self {
            plan,
            state_bits,
            cost_scale,
            steps,
            narrow_levels,
            wide_levels,
            costs: vec![[0; L]; states],
            next_costs: vec![[0; L]; states],
            least: [0; L],
            decisions: vec![[0; L]; longest],
            checkpoints: vec![[0; L]; (states + 1) * (segments.len() - 1)],
            segments,
        }
    }

    #[inline(always)]
    fn run(&mut self, latents: &[f32], windows: &mut [u16]) {
        let count = self.plan.symbols().len();
        self.restore(0);
        let (states, last) = (self.costs.len(), self.segments.len() - 1);
        for segment in 0..=last {
            if let Some(stored) = segment.checked_sub(1) {
                let checkpoint = &mut self.checkpoints[stored * (states + 1)..][..states + 1];
                checkpoint[..states].copy_from_slice(&self.costs);
                checkpoint[states] = self.least;
            }
            self.advance_segment(segment, latents);
        }
        let mut path_ends = [0; L];
        for (lane, end) in path_ends.iter_mut().enumerate() {
            *end = self.best_state(lane);
        }
        for segment in (0..=last).rev() {
            if segment < last {
                self.restore(segment);
                self.advance_segment(segment, latents);
            }
            for (lane, windows) in windows.chunks_exact_mut(count).enumerate() {
                path_ends[lane] = self.trace_back(segment, lane, path_ends[lane], windows);
            }
        }
    }

    /// Makes the costs those before a segment.
    fn restore(&mut self, segment: usize) {
        let states = self.costs.len();
        match segment.checked_sub(1) {
            Some(stored) => {
                let checkpoint = &self.checkpoints[stored * (states + 1)..][..states + 1];
                self.costs.copy_from_slice(&checkpoint[..states]);
                self.least = checkpoint[states];
            }
            None => {
                self.costs.fill([0; L]);
                self.least = [0; L];
            }
        }
    }

    /// Extends all paths by the symbols of a segment.
    #[inline(always)]
    fn advance_segment(&mut self, segment: usize, latents: &[f32]) {
        for number in self.segments[segment].clone() {
            let step = &self.steps[number];
            let second = usize::from(step.two_latents);
            let targets = [
                self.targets(latents, step.latent, &step.ranges[0]),
                self.targets(latents, step.latent + second, &step.ranges[second]),
            ];
            let states = self.costs.len();
            let paths = Paths {
                costs: &self.costs,
                next_costs: &mut self.next_costs,
                least: &mut self.least,
                decisions: &mut self.decisions[step.decisions..],
            };
            let latents = 1 + second;
            match (step.narrow, any_slope(&targets)) {
                (true, false) if second == 0 => {
                    let levels = &self.narrow_levels[step.levels..][..states];
                    let target = narrowed(&targets[0]);
                    paths.advance(step, One { target, levels });
                }
                (true, false) => {
                    let levels = &self.narrow_levels[step.levels..][..2 * states];
                    let (first, second) = levels.split_at(states);
                    let first = One { target: narrowed(&targets[0]), levels: first };
                    let second = One { target: narrowed(&targets[1]), levels: second };
                    paths.advance(step, Two(first, second));
                }
                (true, true) => {
                    let levels = &self.narrow_levels[step.levels..][..latents * states];
                    paths.advance(step, Any { targets, levels, states });
                }
                (false, _) => {
                    let levels = &self.wide_levels[step.levels..][..latents * states];
                    paths.advance(step, Any { targets, levels, states });
                }
            }
            std::mem::swap(&mut self.costs, &mut self.next_costs);
        }
    }

    /// A latent of each row, rounded.
    #[inline(always)]
    fn targets(&self, latents: &[f32], latent: usize, range: &LevelRange) -> Targets<L> {
        // Lanes without a row have latents of zero.
        let (target, slope) = range.goal(0.0);
        let mut targets = Targets { targets: [target; L], slopes: [slope; L], shift: range.shift };
        for (lane, row) in latents.chunks_exact(self.plan.latents()).enumerate() {
            let (target, slope) = range.goal(row[latent] * self.cost_scale);
            targets.targets[lane] = target;
            targets.slopes[lane] = slope;
        }
        targets
    }

    /// The state of least cost, the lowest of several.
    #[inline(always)]
    fn best_state(&self, lane: usize) -> usize {
        let mut best = 0;
        for (state, cost) in self.costs.iter().enumerate().step_by(self.plan.last_stride() as usize)
        {
            if cost[lane] < self.costs[best][lane] {
                best = state;
            }
        }
        best
    }

    /// Writes a lane's windows of a segment whose path ends in `state`, and returns the state that
    /// the path comes from.
    #[inline(always)]
    fn trace_back(
        &self,
        segment: usize,
        lane: usize,
        mut state: usize,
        windows: &mut [u16],
    ) -> usize {
        for step in self.steps[self.segments[segment].clone()].iter().rev() {
            windows[step.symbol] = state as u16;
            let group = state & ((1 << (self.state_bits - step.bits)) - 1);
            let per_word = groups_per_word(step.bits);
            let word = self.decisions[step.decisions + group / per_word][lane];
            let decision = word >> (group % per_word * step.bits as usize) & ((1 << step.bits) - 1);
            state = group << step.bits | usize::from(decision);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Layout, RATE_COUNT, Rate, Tables, Window};
    use super::*;

    /// Tables and latents that repeat no pattern.
    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 12.9898).sin() * 1.5).collect()
    }

    fn plan(state_bits: u32, bits: &[u8]) -> BitPlan {
        let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
        for bits in bits {
            tables[Rate::whole(*bits).number()] = values(1 << state_bits);
        }
        let tables = Arc::new(Tables::new(Window::Last(state_bits), &tables).unwrap());
        let rates: Vec<Rate> = bits.iter().map(|bits| Rate::whole(*bits)).collect();
        let steps = (0..bits.len()).map(|i| 1.0 + i as f32 / 41.0).collect();
        BitPlan::new(tables, Layout::Packed, &rates, steps, 0, None).unwrap()
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes under Miri")]
    fn segments_and_lanes_change_no_window() {
        const BITS: u32 = 5;
        let plan = plan(BITS, &(0..41).map(|i| [1, 2, 1, 3, 5][i % 5]).collect::<Vec<u8>>());
        let latents = values(19 * 41);
        let windows = |decision_bytes: usize| {
            let mut windows = vec![0; latents.len()];
            search_within(&plan, BITS, decision_bytes, &latents, &mut windows);
            windows
        };
        let whole = windows(DECISION_BYTES);
        let mut lanes = vec![0; latents.len()];
        search_lanes::<32>(&plan, BITS, DECISION_BYTES, &latents, &mut lanes);
        assert_eq!(lanes, whole);
        assert_eq!(Search::<16>::new(&plan, BITS, DECISION_BYTES).segments.len(), 1);
        for decision_bytes in [0, 100, 400, 1000] {
            let search = Search::<16>::new(&plan, BITS, decision_bytes);
            assert!(search.segments.len() > 1, "{decision_bytes}");
            let words = decision_bytes / size_of::<[u16; 16]>();
            assert!(search.decisions.len() <= words.max(1 << (BITS - 1)));
            assert_eq!(windows(decision_bytes), whole, "{decision_bytes}");
        }
    }

    /// The decisions of all latents would be half a gigabyte.
    #[test]
    #[cfg_attr(miri, ignore = "takes hours under Miri")]
    fn the_longest_search_takes_little_memory() {
        const BITS: u32 = 12;
        let plan = plan(BITS, &vec![1; 65_536]);
        let search = Search::<16>::new(&plan, BITS, DECISION_BYTES);
        let bytes = size_of_val(&search.decisions[..]) + size_of_val(&search.checkpoints[..]);
        assert!(bytes <= DECISION_BYTES + (16 << 20), "{bytes}");
    }
}
