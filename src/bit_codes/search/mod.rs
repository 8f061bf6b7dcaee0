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
//!     cost[state] = best[state's group] + increment(state)        without the lowest of all: see `costs`
//! follow the decisions back from the best last state
//! ```
//!
//! 1. Bits before the trellis are zero. While fewer than `S` bits have been read, a group takes only
//!    states whose missing bits, the lowest, are zero. So does the choice of the last state.
//! 2. 16 rows are searched side by side, one per lane of a vector of `i16`, or 32 with vectors of 512 bits.
//!    Every operation is one instruction over all rows, and nothing is ever exchanged between lanes. The
//!    costs of 256 states of 32 rows, before and after a symbol, are 32 KiB and stay in the first cache.
//! 3. A state costs about eight instructions: three for its increment, one to add it to the best cost of
//!    its group, one to find the lowest cost, which is done at every second symbol, one to store it, and a
//!    share of what compares two, four or eight states. Where a distance exceeds 15 bits or a latent lies
//!    beyond its table, in one of the rows, `increments` has more.
//! 4. The `w` bits of each decision are packed into words of 16 bits. With 256 states that is at most
//!    32 bytes per symbol and row, so that the decisions of 32 rows of 300 latents stay in the second
//!    cache.
//! 5. A state is the last `S` bits of the row. So of a path only every few states are written.
//! 6. Where the decisions of all symbols exceed [`DECISION_BYTES`], the symbols are searched in
//!    segments: the costs at the beginning of each segment are stored, the decisions are stored for
//!    one segment at a time, and the segments before the last are advanced a second time when the path
//!    is traced back. The result is the same.

mod increments;
mod paths;
mod steps;

use self::increments::{Lanes, Targets, Two};
use self::paths::Paths;
use self::steps::Step;
pub(super) use self::steps::Steps;
use super::costs::Width;
use super::plan::Plan;
use crate::simd::Avx512;

/// The most bytes of decisions that a search stores, unless a single symbol has more.
const DECISION_BYTES: usize = 64 << 20;

/// Finds for each row of latents the bits of the trellis' symbols whose values are nearest to the row, and
/// writes them into rows whose bits there are zero.
pub(super) fn encode(plan: &Plan, steps: &Steps, latents: &[f32], packed_rows: &mut [u8]) {
    if steps.all.is_empty() {
        return;
    }
    let decision_bytes = DECISION_BYTES;
    match Avx512::find() {
        Some(vectors) => {
            vectors.run(Rows::<32> { plan, steps, decision_bytes, latents, packed_rows });
        }
        None => {
            let rows = Rows::<16> { plan, steps, decision_bytes, latents, packed_rows };
            pulp::Arch::new().dispatch(rows);
        }
    }
}

/// The search of rows, as a function that the best vectors of the machine are used for. A closure would
/// not do: where the compiler does not inline it, it is compiled for the least of all machines. `LANES` rows are
/// searched side by side: as many costs as a vector holds.
struct Rows<'a, const LANES: usize> {
    plan: &'a Plan,
    steps: &'a Steps,
    /// The most bytes of decisions.
    decision_bytes: usize,
    latents: &'a [f32],
    packed_rows: &'a mut [u8],
}

impl<const LANES: usize> pulp::NullaryFnOnce for Rows<'_, LANES> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { plan, steps, decision_bytes, latents, packed_rows } = self;
        let mut search = Search::<LANES>::new(plan, steps, decision_bytes);
        let rows = latents.chunks(LANES * plan.latents());
        for (latents, packed_rows) in rows.zip(packed_rows.chunks_mut(LANES * plan.code_bytes())) {
            search.run(latents, packed_rows);
        }
    }
}

/// The rows that are searched side by side, and the memory of their search.
struct Search<'a, const LANES: usize> {
    plan: &'a Plan,
    steps: &'a Steps,
    /// The steps of each segment.
    segments: Vec<&'a [Step]>,
    /// The rows' latents, each of all rows. Lanes without a row have latents of zero.
    latents: Vec<[f32; LANES]>,
    /// The cost of the best path to each state, and the lowest of them.
    costs: Vec<Lanes<LANES>>,
    next_costs: Vec<Lanes<LANES>>,
    lowest: Lanes<LANES>,
    /// For each step of a segment and each group, which of the states before it is best.
    decisions: Vec<[u16; LANES]>,
    /// The costs before each segment that follows another, and the lowest of them: one segment after the
    /// other.
    checkpoints: Vec<Lanes<LANES>>,
}

impl<'a, const LANES: usize> Search<'a, LANES> {
    #[inline(always)]
    fn new(plan: &'a Plan, steps: &'a Steps, decision_bytes: usize) -> Self {
        let (states, max_words) = (steps.states, decision_bytes / size_of::<[u16; LANES]>());
        let (mut segments, mut rest, mut decision_words) = (Vec::new(), &steps.all[..], 0);
        while let [first, ..] = rest {
            let words = |step: &Step| step.first_word + step.packing.words() - first.first_word;
            let fitting = rest.partition_point(|step| words(step) <= max_words);
            // A step that has more words by itself is a segment.
            let (segment, others) = rest.split_at(fitting.max(1));
            decision_words = segment.last().map_or(0, words).max(decision_words);
            segments.push(segment);
            rest = others;
        }
        Self {
            plan,
            steps,
            latents: vec![[0.0; LANES]; plan.latents()],
            costs: vec![[0; LANES]; states],
            next_costs: vec![[0; LANES]; states],
            lowest: [0; LANES],
            decisions: vec![[0; LANES]; decision_words],
            checkpoints: vec![[0; LANES]; (states + 1) * (segments.len() - 1)],
            segments,
        }
    }

    /// Searches for up to `LANES` rows.
    #[inline(always)]
    fn run(&mut self, latents: &[f32], packed_rows: &mut [u8]) {
        self.set_latents(latents);
        self.restore(0);
        let (states, last) = (self.costs.len(), self.segments.len() - 1);
        for segment in 0..=last {
            if let Some(stored) = segment.checked_sub(1) {
                let checkpoint = &mut self.checkpoints[stored * (states + 1)..][..states + 1];
                checkpoint[..states].copy_from_slice(&self.costs);
                checkpoint[states] = self.lowest;
            }
            self.advance_segment(segment);
        }
        let mut path_ends = self.best_states();
        for segment in (0..=last).rev() {
            if segment < last {
                self.restore(segment);
                self.advance_segment(segment);
            }
            self.trace_back(segment, &mut path_ends, packed_rows);
        }
    }

    /// Puts the latents of the rows side by side.
    #[inline(always)]
    fn set_latents(&mut self, latents: &[f32]) {
        let mut rows = latents.chunks_exact(self.latents.len());
        for lane in 0..LANES {
            match rows.next() {
                Some(row) => self.latents.iter_mut().zip(row).for_each(|(all, z)| all[lane] = *z),
                None => self.latents.iter_mut().for_each(|all| all[lane] = 0.0),
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
                self.lowest = checkpoint[states];
            }
            None => {
                self.costs.fill([0; LANES]);
                self.lowest = [0; LANES];
            }
        }
    }

    /// Extends all paths by the symbols of a segment.
    #[inline(always)]
    fn advance_segment(&mut self, segment: usize) {
        let (steps, segment) = (self.steps, self.segments[segment]);
        for step in segment {
            let short = |latent: usize| steps.short_levels(step, latent);
            let long = |latent: usize| steps.long_levels(step, latent);
            let paths = Paths {
                costs: &self.costs,
                next_costs: &mut self.next_costs,
                lowest: &mut self.lowest,
                decisions: &mut self.decisions[step.first_word - segment[0].first_word..],
            };
            let latents = &self.latents[step.latent..];
            let first = Targets::new(&latents[0], steps.cost_scale, &step.ranges[0]);
            if step.two_latents {
                let second = Targets::new(&latents[1], steps.cost_scale, &step.ranges[1]);
                match (step.width, first.any_slope | second.any_slope) {
                    (Width::Near, false) => {
                        paths.advance_usual(step, Two(first.near(short(0)), second.near(short(1))));
                    }
                    (Width::Near | Width::Short, _) => {
                        paths.advance(step, Two(first.sloped(short(0)), second.sloped(short(1))));
                    }
                    (Width::Long, _) => {
                        paths.advance_rare(step, Two(first.long(long(0)), second.long(long(1))));
                    }
                }
            } else {
                match (step.width, first.any_slope) {
                    (Width::Near, false) => paths.advance_usual(step, first.near(short(0))),
                    (Width::Short, false) => paths.advance(step, first.short(short(0))),
                    (Width::Near | Width::Short, true) => {
                        paths.advance(step, first.sloped(short(0)));
                    }
                    (Width::Long, _) => paths.advance_rare(step, first.long(long(0))),
                }
            }
            std::mem::swap(&mut self.costs, &mut self.next_costs);
        }
    }

    /// The state of lowest cost of each row, the lowest of several.
    #[inline(always)]
    fn best_states(&self) -> [u16; LANES] {
        let (mut best, mut lowest) = ([0; LANES], self.costs[0]);
        let stride = self.plan.last_stride() as usize;
        for (state, cost) in self.costs.iter().enumerate().step_by(stride) {
            for lane in 0..LANES {
                best[lane] = if cost[lane] < lowest[lane] { state as u16 } else { best[lane] };
                lowest[lane] = lowest[lane].min(cost[lane]);
            }
        }
        best
    }

    /// Writes the bits of a segment whose paths end in `states`, and makes `states` those that the paths come
    /// from.
    ///
    /// A row's path is a chain of loads that each wait for the one before. All rows are followed side by
    /// side, so that they wait together.
    #[inline(always)]
    fn trace_back(&self, segment: usize, states: &mut [u16; LANES], packed_rows: &mut [u8]) {
        let (steps, segment) = (self.steps, self.segments[segment]);
        for step in segment.iter().rev() {
            if step.is_written {
                let rows = packed_rows.chunks_exact_mut(self.plan.code_bytes());
                for (state, packed) in states.iter().zip(rows) {
                    steps.write(step, *state, packed);
                }
            }
            let first_word = step.first_word - segment[0].first_word;
            let decisions = &self.decisions[first_word..][..step.packing.words()];
            let last_group = ((steps.states >> step.bits) - 1) as u16;
            // Vectors compute all but the loads.
            let (mut groups, mut words) = ([0; LANES], [0; LANES]);
            for lane in 0..LANES {
                groups[lane] = states[lane] & last_group;
                words[lane] = step.packing.word(groups[lane]);
            }
            for lane in 0..LANES {
                words[lane] = decisions[usize::from(words[lane])][lane];
            }
            for lane in 0..LANES {
                let decision = step.packing.decision(groups[lane], words[lane]);
                states[lane] = groups[lane].wrapping_shl(step.bits) | decision;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pulp::NullaryFnOnce as _;

    use super::super::{Layout, RATE_COUNT, Rate, Tables, Window};
    use super::*;

    /// Tables and latents that repeat no pattern.
    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 12.9898).sin() * 1.5).collect()
    }

    fn plan(state_bits: u32, bits: &[u8]) -> Plan {
        let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
        for bits in bits {
            tables[Rate::whole(*bits).number()] = values(1 << state_bits);
        }
        let tables = Arc::new(Tables::new(Window::Last(state_bits), &tables).unwrap());
        let rates: Vec<Rate> = bits.iter().map(|bits| Rate::whole(*bits)).collect();
        let steps = (0..bits.len()).map(|i| 1.0 + i as f32 / 41.0).collect();
        Plan::new(tables, Layout::Packed, &rates, steps, 0, None).unwrap()
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes under Miri")]
    fn segments_change_no_code() {
        const BITS: u32 = 5;
        let plan = plan(BITS, &(0..41).map(|i| [1, 2, 1, 3, 5][i % 5]).collect::<Vec<u8>>());
        let steps = Steps::new(&plan);
        let latents = values(19 * 41);
        let none = vec![0; 19 * plan.code_bytes()];
        let codes = |decision_bytes: usize| {
            let mut codes = none.clone();
            let (latents, packed_rows) = (&latents[..], &mut codes[..]);
            let rows =
                Rows::<16> { plan: &plan, steps: &steps, decision_bytes, latents, packed_rows };
            pulp::Arch::new().dispatch(rows);
            codes
        };
        let whole = codes(DECISION_BYTES);
        let segments = |decision_bytes: usize| {
            let search = Search::<16>::new(&plan, &steps, decision_bytes);
            (search.segments.len(), search.decisions.len())
        };
        assert_eq!(segments(DECISION_BYTES).0, 1);
        for decision_bytes in [0, 100, 400, 1000] {
            let (segments, words) = segments(decision_bytes);
            assert!(segments > 1, "{decision_bytes}");
            assert!(words <= (decision_bytes / size_of::<[u16; 16]>()).max(1 << (BITS - 1)));
            assert_eq!(codes(decision_bytes), whole, "{decision_bytes}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes under Miri")]
    fn more_lanes_change_no_code() {
        let plan = plan(6, &(0..60).map(|i| [3, 1, 2, 4, 6][i % 5]).collect::<Vec<u8>>());
        let steps = Steps::new(&plan);
        let rows = 32 + 16 + 3;
        let latents: Vec<f32> = values(rows * 60).iter().map(|z| 3.0 * z).collect();
        let (decision_bytes, latents) = (DECISION_BYTES, &latents[..]);
        let (plan, steps) = (&plan, &steps);
        let [mut few, mut many] = [(); 2].map(|()| vec![0; rows * plan.code_bytes()]);
        Rows::<16> { plan, steps, decision_bytes, latents, packed_rows: &mut few }.call();
        Rows::<32> { plan, steps, decision_bytes, latents, packed_rows: &mut many }.call();
        assert!(few == many);
        let mut chosen = vec![0; few.len()];
        encode(plan, steps, latents, &mut chosen);
        assert!(chosen == few);
    }

    /// The decisions of all latents would be half a gigabyte.
    #[test]
    #[cfg_attr(miri, ignore = "takes hours under Miri")]
    fn the_longest_search_takes_little_memory() {
        const BITS: u32 = 12;
        let plan = plan(BITS, &vec![1; 65_536]);
        let steps = Steps::new(&plan);
        let search = Search::<32>::new(&plan, &steps, DECISION_BYTES);
        let bytes = size_of_val(&search.decisions[..]) + size_of_val(&search.checkpoints[..]);
        assert!(bytes <= DECISION_BYTES + (16 << 20), "{bytes}");
    }
}
