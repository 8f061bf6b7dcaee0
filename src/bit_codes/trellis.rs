//! The search for the best path through a bit-shift trellis (Viterbi, 1967).
//!
//! A state is a window of `S` bits. From state `p`, `w` new bits `b` lead to
//! `p >> w | b << (S - w)`: the states that lead to one of the `2^w` states with the same lower
//! bits `g` are the `2^w` consecutive ones from `g << w` on. Rows are searched side by side, one
//! a lane, so that every operation is a vector's.
//!
//! The decisions of a path take `states / 2^w` bytes per latent and lane. Where those of all latents
//! exceed [`DECISION_BYTES`], the latents are searched in segments: the costs at the beginning of
//! each segment are stored, the decisions are stored for one segment at a time, and the segments
//! before the last are advanced a second time when the path is traced back. The result is the same.

use std::ops::Range;

use super::plan::BitPlan;

/// Rows searched side by side: an AVX-512 register of `f32`.
const LANES: usize = 16;
type Lanes = [f32; LANES];
/// The most bytes of decisions that a search stores, unless a single latent has more.
const DECISION_BYTES: usize = 64 << 20;

/// Finds for each row of latents the windows whose values are nearest to the row. Ties go to the lower
/// state.
pub(super) fn search(plan: &BitPlan, bits: u32, latents: &[f32], windows: &mut [u16]) {
    search_within(plan, bits, DECISION_BYTES, latents, windows);
}

/// The search with at most `decision_bytes` bytes of decisions.
fn search_within(
    plan: &BitPlan,
    bits: u32,
    decision_bytes: usize,
    latents: &[f32],
    windows: &mut [u16],
) {
    let mut search = Search::new(plan, bits, decision_bytes);
    let step = LANES * plan.latents();
    for (latents, windows) in latents.chunks(step).zip(windows.chunks_mut(step)) {
        pulp::Arch::new().dispatch(|| search.run(latents, windows));
    }
}

struct Search<'a> {
    plan: &'a BitPlan,
    bits: u32,
    /// The error of the best path to each state.
    costs: Vec<Lanes>,
    next_costs: Vec<Lanes>,
    /// For each latent of a segment and each `g`, which of the states before it is best.
    decisions: Vec<[u8; LANES]>,
    /// Where a latent's decisions begin, within those of its segment.
    starts: Vec<usize>,
    segments: Vec<Range<usize>>,
    /// The costs before each segment but the first, one segment after the other.
    checkpoints: Vec<Lanes>,
}

impl<'a> Search<'a> {
    fn new(plan: &'a BitPlan, bits: u32, decision_bytes: usize) -> Self {
        let states = 1 << bits;
        let max_decisions = decision_bytes / LANES;
        let (mut starts, mut segments) = (Vec::with_capacity(plan.latents()), Vec::new());
        let (mut begin, mut end, mut longest) = (0, 0, 0);
        for (latent, width) in plan.bits_per_latent.iter().enumerate() {
            let count = states >> width;
            if end + count > max_decisions && latent > begin {
                segments.push(begin..latent);
                (begin, end) = (latent, 0);
            }
            starts.push(end);
            end += count;
            longest = longest.max(end);
        }
        segments.push(begin..plan.latents());
        Self {
            plan,
            bits,
            costs: vec![[0.0; LANES]; states],
            next_costs: vec![[0.0; LANES]; states],
            decisions: vec![[0; LANES]; longest],
            starts,
            checkpoints: vec![[0.0; LANES]; states * (segments.len() - 1)],
            segments,
        }
    }

    #[inline(always)]
    fn run(&mut self, latents: &[f32], windows: &mut [u16]) {
        let count = self.plan.latents();
        self.restore(0);
        let (states, last) = (self.costs.len(), self.segments.len() - 1);
        for segment in 0..=last {
            if segment > 0 {
                let to = (segment - 1) * states;
                self.checkpoints[to..to + states].copy_from_slice(&self.costs);
            }
            self.advance_segment(segment, latents);
        }
        let mut path_ends = [0; LANES];
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
                self.costs.copy_from_slice(&self.checkpoints[stored * states..][..states]);
            }
            None => {
                // Every path begins in state 0; twice this is still finite.
                self.costs.fill([f32::MAX / 4.0; LANES]);
                self.costs[0] = [0.0; LANES];
            }
        }
    }

    /// Extends all paths by the latents of a segment.
    #[inline(always)]
    fn advance_segment(&mut self, segment: usize, latents: &[f32]) {
        let count = self.plan.latents();
        for i in self.segments[segment].clone() {
            let mut z = [0.0; LANES];
            z.iter_mut().zip(latents.chunks_exact(count)).for_each(|(z, row)| *z = row[i]);
            self.advance(i, &z);
        }
    }

    /// Extends all paths by one latent.
    #[inline(always)]
    fn advance(&mut self, i: usize, z: &Lanes) {
        let (width, step) = (self.plan.bits_per_latent[i], self.plan.steps[i]);
        let table = self.plan.table(width);
        let groups = table.len() >> width;
        let decisions = &mut self.decisions[self.starts[i]..][..groups];
        let before = self.costs.chunks_exact(1 << width);
        for (g, (before, decision)) in before.zip(decisions).enumerate() {
            let (mut best, mut from) = (before[0], [0u8; LANES]);
            for (h, cost) in (1..=u8::MAX).zip(&before[1..]) {
                for lane in 0..LANES {
                    let better = cost[lane] < best[lane];
                    best[lane] = if better { cost[lane] } else { best[lane] };
                    from[lane] = if better { h } else { from[lane] };
                }
            }
            *decision = from;
            for b in 0..1 << width {
                let state = g + b * groups;
                let value = step * table[state];
                let cost = &mut self.next_costs[state];
                for lane in 0..LANES {
                    let error = z[lane] - value;
                    cost[lane] = best[lane] + error * error;
                }
            }
        }
        std::mem::swap(&mut self.costs, &mut self.next_costs);
    }

    /// The state of least cost, the lowest of several.
    #[inline(always)]
    fn best_state(&self, lane: usize) -> usize {
        let mut state = 0;
        for (s, cost) in self.costs.iter().enumerate() {
            if cost[lane] < self.costs[state][lane] {
                state = s;
            }
        }
        state
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
        for i in self.segments[segment].clone().rev() {
            windows[i] = state as u16;
            let width = self.plan.bits_per_latent[i];
            let g = state & ((1 << (self.bits - u32::from(width))) - 1);
            state = g << width | usize::from(self.decisions[self.starts[i] + g][lane]);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Window;
    use super::*;

    /// Tables and latents that repeat no pattern.
    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 12.9898).sin() * 1.5).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes under Miri")]
    fn segments_change_no_window() {
        const BITS: u32 = 5;
        let bits_per_latent: Vec<u8> = (0..41).map(|i| [1, 2, 1, 3, 5][i % 5]).collect();
        let steps: Vec<f32> = (0..41).map(|i| 1.0 + i as f32 / 41.0).collect();
        let table = values(1 << BITS);
        let tables = (0..=8).map(|w| if w == 0 { vec![] } else { table.clone() }).collect();
        let plan = BitPlan::new(Window::Last(BITS), bits_per_latent, steps, tables).unwrap();
        let latents = values(19 * 41);
        let windows = |decision_bytes: usize| {
            let mut windows = vec![0; latents.len()];
            search_within(&plan, BITS, decision_bytes, &latents, &mut windows);
            windows
        };
        let whole = windows(DECISION_BYTES);
        assert_eq!(Search::new(&plan, BITS, DECISION_BYTES).segments.len(), 1);
        for decision_bytes in [0, 300, 1000, 4000] {
            let search = Search::new(&plan, BITS, decision_bytes);
            assert!(search.segments.len() > 1, "{decision_bytes}");
            assert!(search.decisions.len() <= (decision_bytes / LANES).max(1 << (BITS - 1)));
            assert_eq!(windows(decision_bytes), whole, "{decision_bytes}");
        }
    }

    /// The decisions of all latents would be two gigabytes.
    #[test]
    #[cfg_attr(miri, ignore = "takes hours under Miri")]
    fn the_longest_search_takes_little_memory() {
        const BITS: u32 = 12;
        let (table, count) = (values(1 << BITS), 65_536);
        let tables = vec![vec![], table];
        let plan = BitPlan::new(Window::Last(BITS), vec![1; count], vec![1.0; count], tables);
        let plan = plan.unwrap();
        let search = Search::new(&plan, BITS, DECISION_BYTES);
        let bytes = size_of_val(&search.decisions[..]) + size_of_val(&search.checkpoints[..]);
        assert!(bytes <= DECISION_BYTES + (16 << 20), "{bytes}");
    }
}
