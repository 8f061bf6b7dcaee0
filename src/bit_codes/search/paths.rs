//! One step of a search over the trellis: the costs of all states after a symbol, for several rows side
//! by side.

#![expect(
    clippy::needless_range_loop,
    reason = "a loop over lanes becomes one instruction, whatever arrays it indexes"
)]

use super::super::costs::MAX_COST;
use super::increments::{Increments, Lanes, saturating_sum};
use super::steps::{Packing, Step};

/// The states of the usual trellis. The compiler knows where everything is if it knows their number.
const USUAL_STATES: usize = 256;

/// The paths to all states, before and after a symbol.
pub(super) struct Paths<'a, const LANES: usize> {
    pub(super) costs: &'a [Lanes<LANES>],
    pub(super) next_costs: &'a mut [Lanes<LANES>],
    /// The lowest cost, before steps that subtract it.
    pub(super) lowest: &'a mut Lanes<LANES>,
    pub(super) decisions: &'a mut [[u16; LANES]],
}

impl<const LANES: usize> Paths<'_, LANES> {
    /// Extends all paths by one symbol. The usual steps have loops of their own.
    #[inline(always)]
    pub(super) fn advance_usual(self, step: &Step, increments: impl Increments<LANES>) {
        match (step.bits, step.stride, self.costs.len()) {
            (1, 1, USUAL_STATES) => self.advance_known::<1>(step, increments),
            (2, 1, USUAL_STATES) => self.advance_known::<2>(step, increments),
            (3, 1, USUAL_STATES) => self.advance_known::<3>(step, increments),
            _ => self.advance(step, increments),
        }
    }

    #[inline(always)]
    fn advance_known<const BITS: u32>(self, step: &Step, increments: impl Increments<LANES>) {
        // The compiler makes two loops of this, without what the other does.
        match step.subtracts {
            true => self.advance_by::<BITS, USUAL_STATES>(step, true, increments),
            false => self.advance_by::<BITS, USUAL_STATES>(step, false, increments),
        }
    }

    /// Extends all paths by one symbol.
    #[inline(always)]
    pub(super) fn advance(self, step: &Step, increments: impl Increments<LANES>) {
        match (step.bits, step.stride) {
            (1, 1) => self.advance_by::<1, 0>(step, step.subtracts, increments),
            (2, 1) => self.advance_by::<2, 0>(step, step.subtracts, increments),
            (3, 1) => self.advance_by::<3, 0>(step, step.subtracts, increments),
            _ => self.advance_by::<0, 0>(step, step.subtracts, increments),
        }
    }

    /// The same, for what is rare.
    #[inline(always)]
    pub(super) fn advance_rare(self, step: &Step, increments: impl Increments<LANES>) {
        self.advance_by::<0, 0>(step, step.subtracts, increments);
    }

    /// The same for `BITS` bits and a stride of 1, or for any if `BITS` is 0; for `STATES` states, or
    /// for any number if `STATES` is 0.
    #[inline(always)]
    fn advance_by<const BITS: u32, const STATES: usize>(
        self,
        step: &Step,
        subtracts: bool,
        increments: impl Increments<LANES>,
    ) {
        let Self { costs, next_costs, lowest, decisions } = self;
        let states = if STATES > 0 { STATES } else { costs.len() };
        let (costs, next_costs) = (&costs[..states], &mut next_costs[..states]);
        let increments = increments.cut(states);
        let (bits, stride) = if BITS > 0 { (BITS, 1) } else { (step.bits, step.stride) };
        let (branches, groups) = (1usize << bits, states >> bits);
        let packing = Packing::new(bits, states);
        let before_lowest = *lowest;
        let mut next_lowest = [MAX_COST; LANES];
        for (word, packed) in decisions[..packing.words()].iter_mut().enumerate() {
            let mut decisions = [0u16; LANES];
            for k in 0..packing.groups() {
                let group = word * packing.groups() + k;
                let before = &costs[group << bits..][..branches];
                let mut best = match BITS {
                    1 => Best::of_2(before),
                    2 => Best::of_4(before),
                    3 => Best::of_8(before),
                    _ => Best::of_any(before, stride),
                };
                for lane in 0..LANES {
                    decisions[lane] = decisions[lane].wrapping_shl(bits) | best.from[lane];
                }
                if subtracts {
                    for lane in 0..LANES {
                        best.cost[lane] = best.cost[lane].wrapping_sub(before_lowest[lane]);
                    }
                }
                for branch in 0..branches {
                    let state = group + branch * groups;
                    let cost = saturating_sum(&best.cost, &increments.of(state));
                    if !subtracts {
                        for lane in 0..LANES {
                            next_lowest[lane] = next_lowest[lane].min(cost[lane]);
                        }
                    }
                    next_costs[state] = cost;
                }
            }
            *packed = decisions;
        }
        if !subtracts {
            *lowest = next_lowest;
        }
    }
}

/// The lowest cost of some states, and the first state that has it.
struct Best<const LANES: usize> {
    cost: Lanes<LANES>,
    from: [u16; LANES],
}

impl<const LANES: usize> Best<LANES> {
    /// Of two states.
    #[inline(always)]
    fn of_2(costs: &[Lanes<LANES>]) -> Self {
        let only = |cost| Self { cost, from: [0; LANES] };
        Self::lesser(only(costs[0]), only(costs[1]), 1)
    }

    #[inline(always)]
    fn of_4(costs: &[Lanes<LANES>]) -> Self {
        Self::lesser(Self::of_2(&costs[..2]), Self::of_2(&costs[2..]), 2)
    }

    #[inline(always)]
    fn of_8(costs: &[Lanes<LANES>]) -> Self {
        Self::lesser(Self::of_4(&costs[..4]), Self::of_4(&costs[4..]), 4)
    }

    /// Of every `stride`-th of several states.
    #[inline(always)]
    fn of_any(costs: &[Lanes<LANES>], stride: usize) -> Self {
        let mut best = Self { cost: costs[0], from: [0; LANES] };
        let mut state = stride;
        while state < costs.len() {
            best = Self::lesser(best, Self { cost: costs[state], from: [0; LANES] }, state as u16);
            state += stride;
        }
        best
    }

    /// Of two groups of states, the second of which begins at state `start`.
    #[inline(always)]
    fn lesser(mut first: Self, second: Self, start: u16) -> Self {
        for lane in 0..LANES {
            let better = second.cost[lane] < first.cost[lane];
            let from = second.from[lane] | start;
            first.from[lane] = if better { from } else { first.from[lane] };
            first.cost[lane] = first.cost[lane].min(second.cost[lane]);
        }
        first
    }
}
