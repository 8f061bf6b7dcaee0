//! The search for the best path through a bit-shift trellis (Viterbi, 1967).
//!
//! A state is a window of `S` bits. From state `p`, `w` new bits `b` lead to
//! `p >> w | b << (S - w)`: the states that lead to one of the `2^w` states with the same lower
//! bits `g` are the `2^w` consecutive ones from `g << w` on. Rows are searched side by side, one
//! a lane, so that every operation is a vector's.

use super::plan::BitPlan;

/// Rows searched side by side: an AVX-512 register of `f32`.
const LANES: usize = 16;
type Lanes = [f32; LANES];

/// Finds for each row of latents the windows whose values are nearest to the row. Ties go to the lower
/// state.
pub(super) fn search(plan: &BitPlan, bits: u32, latents: &[f32], windows: &mut [u16]) {
    let mut search = Search::new(plan, bits);
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
    /// For each latent and each `g`, which of the states before it is best.
    decisions: Vec<[u8; LANES]>,
    /// Where a latent's decisions begin.
    starts: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(plan: &'a BitPlan, bits: u32) -> Self {
        let states = 1 << bits;
        let mut end = 0;
        let mut start_of = |width: &u8| {
            let start = end;
            end += states >> width;
            start
        };
        let starts = plan.bits_per_latent.iter().map(&mut start_of).collect();
        Self {
            plan,
            bits,
            costs: vec![[0.0; LANES]; states],
            next_costs: vec![[0.0; LANES]; states],
            decisions: vec![[0; LANES]; end],
            starts,
        }
    }

    #[inline(always)]
    fn run(&mut self, latents: &[f32], windows: &mut [u16]) {
        let count = self.plan.latents();
        // Every path begins in state 0; twice this is still finite.
        self.costs.fill([f32::MAX / 4.0; LANES]);
        self.costs[0] = [0.0; LANES];
        for i in 0..count {
            let mut z = [0.0; LANES];
            z.iter_mut().zip(latents.chunks_exact(count)).for_each(|(z, row)| *z = row[i]);
            self.advance(i, &z);
        }
        for (lane, windows) in windows.chunks_exact_mut(count).enumerate() {
            self.trace_back(lane, windows);
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

    #[inline(always)]
    fn trace_back(&self, lane: usize, windows: &mut [u16]) {
        let mut state = 0;
        for (s, cost) in self.costs.iter().enumerate() {
            if cost[lane] < self.costs[state][lane] {
                state = s;
            }
        }
        for (i, window) in windows.iter_mut().enumerate().rev() {
            *window = state as u16;
            let width = self.plan.bits_per_latent[i];
            let g = state & ((1 << (self.bits - u32::from(width))) - 1);
            state = g << width | usize::from(self.decisions[self.starts[i] + g][lane]);
        }
    }
}
