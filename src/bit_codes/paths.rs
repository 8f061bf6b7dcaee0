//! One step of a search over the trellis: the costs of all states after a symbol, for several rows side
//! by side.

#![expect(
    clippy::needless_range_loop,
    reason = "a loop over lanes becomes one instruction, whatever arrays it indexes"
)]

use super::costs::{MAX_COST, Range, increment};

/// A number for each of the rows that are searched side by side.
pub(super) type Lanes<const L: usize> = [i16; L];

/// A symbol of the trellis, as the search takes it.
pub(super) struct Step {
    /// The number of the symbol among all symbols of a row.
    pub(super) symbol: usize,
    pub(super) latent: usize,
    pub(super) two_latents: bool,
    pub(super) bits: u32,
    /// A group takes every so many of its states: more than 1 while bits before the trellis are missing.
    pub(super) stride: usize,
    /// The levels of each latent.
    pub(super) ranges: [Range; 2],
    /// Whether all levels of the symbol fit 16 bits with the margin.
    pub(super) narrow: bool,
    /// Where the levels begin, among those of 16 or of 32 bits.
    pub(super) levels: usize,
    /// Where the decisions begin, within those of the segment.
    pub(super) decisions: usize,
}

/// Decisions that 16 bits hold.
pub(super) const fn groups_per_word(bits: u32) -> usize {
    16 / bits as usize
}

/// The increments of the costs of a symbol. This is no closure, because a closure is not always
/// inlined, and the vectors of the machine are known only to what is inlined.
pub(super) trait Increments<const L: usize> {
    fn of(&self, state: usize) -> Lanes<L>;
}

/// One latent.
pub(super) struct One<'a, const L: usize> {
    pub(super) target: Lanes<L>,
    pub(super) levels: &'a [i16],
}

/// Two latents.
pub(super) struct Two<'a, const L: usize>(pub(super) One<'a, L>, pub(super) One<'a, L>);

/// One or two latents of any kind, in 32 bits.
pub(super) struct Any<'a, const L: usize, T> {
    pub(super) targets: [Targets<L>; 2],
    pub(super) levels: &'a [T],
    pub(super) states: usize,
}

/// A latent of each row: where it is sought, and the slope of its costs if it lies beyond.
#[derive(Clone, Copy)]
pub(super) struct Targets<const L: usize> {
    pub(super) targets: [i32; L],
    pub(super) slopes: [i32; L],
    pub(super) shift: i32,
}

impl<const L: usize> Increments<L> for One<'_, L> {
    /// `(e e) >> 16`, as one instruction computes it.
    #[inline(always)]
    fn of(&self, state: usize) -> Lanes<L> {
        let level = self.levels[state];
        let mut increments = [0; L];
        for lane in 0..L {
            let e = i32::from(self.target[lane].wrapping_sub(level));
            increments[lane] = ((e * e) >> 16) as i16;
        }
        increments
    }
}

impl<const L: usize> Increments<L> for Two<'_, L> {
    #[inline(always)]
    fn of(&self, state: usize) -> Lanes<L> {
        saturating_sum(&self.0.of(state), &self.1.of(state))
    }
}

impl<const L: usize, T: Copy + Into<i32>> Increments<L> for Any<'_, L, T> {
    #[inline(always)]
    fn of(&self, state: usize) -> Lanes<L> {
        let mut sum = [0; L];
        for (levels, targets) in self.levels.chunks_exact(self.states).zip(&self.targets) {
            let level = levels[state].into();
            let mut increments = [0; L];
            for lane in 0..L {
                let (target, slope) = (targets.targets[lane], targets.slopes[lane]);
                increments[lane] = increment(target, slope, targets.shift, level) as i16;
            }
            sum = saturating_sum(&sum, &increments);
        }
        sum
    }
}

/// The paths to all states, before and after a symbol.
pub(super) struct Paths<'a, const L: usize> {
    pub(super) costs: &'a [Lanes<L>],
    pub(super) next_costs: &'a mut [Lanes<L>],
    pub(super) least: &'a mut Lanes<L>,
    pub(super) decisions: &'a mut [[u16; L]],
}

impl<const L: usize> Paths<'_, L> {
    /// Extends all paths by one symbol.
    #[inline(always)]
    pub(super) fn advance(self, step: &Step, increments: impl Increments<L>) {
        // The usual ones without loops over the states of a group.
        match (step.bits, step.stride) {
            (1, 1) => self.advance_bits::<1>(1, 1, increments),
            (2, 1) => self.advance_bits::<2>(2, 1, increments),
            (3, 1) => self.advance_bits::<3>(3, 1, increments),
            (bits, stride) => self.advance_bits::<0>(bits, stride, increments),
        }
    }

    /// The same for `BITS` bits and a stride of 1, or for any if `BITS` is 0.
    #[inline(always)]
    fn advance_bits<const BITS: u32>(
        self,
        bits: u32,
        stride: usize,
        increments: impl Increments<L>,
    ) {
        let Self { costs, next_costs, least, decisions } = self;
        let (bits, stride) = if BITS > 0 { (BITS, 1) } else { (bits, stride) };
        let branches = 1usize << bits;
        let groups = costs.len() >> bits;
        let per_word = groups_per_word(bits);
        let before_least = *least;
        let mut next_least = [MAX_COST; L];
        let next_costs = &mut next_costs[..costs.len()];
        for (word, decision) in decisions[..groups.div_ceil(per_word)].iter_mut().enumerate() {
            let mut packed = [0u16; L];
            for k in 0..per_word.min(groups - word * per_word) {
                let group = word * per_word + k;
                let before = &costs[group << bits..][..branches];
                let (mut best, mut from) = (before[0], [0u16; L]);
                let mut h = stride;
                while h < branches {
                    for lane in 0..L {
                        let better = before[h][lane] < best[lane];
                        from[lane] = if better { h as u16 } else { from[lane] };
                        best[lane] = best[lane].min(before[h][lane]);
                    }
                    h += stride;
                }
                for lane in 0..L {
                    packed[lane] |= from[lane] << (k * bits as usize);
                    best[lane] -= before_least[lane];
                }
                for branch in 0..branches {
                    let state = group + branch * groups;
                    let cost = saturating_sum(&best, &increments.of(state));
                    for lane in 0..L {
                        next_least[lane] = next_least[lane].min(cost[lane]);
                    }
                    next_costs[state] = cost;
                }
            }
            *decision = packed;
        }
        *least = next_least;
    }
}

#[inline(always)]
pub(super) fn narrowed<const L: usize>(targets: &Targets<L>) -> Lanes<L> {
    let mut narrowed = [0; L];
    for lane in 0..L {
        narrowed[lane] = targets.targets[lane] as i16;
    }
    narrowed
}

#[inline(always)]
pub(super) fn any_slope<const L: usize>(targets: &[Targets<L>; 2]) -> bool {
    let mut any = 0;
    for lane in 0..L {
        any |= targets[0].slopes[lane] | targets[1].slopes[lane];
    }
    any != 0
}

#[inline(always)]
pub(super) fn saturating_sum<const L: usize>(a: &Lanes<L>, b: &Lanes<L>) -> Lanes<L> {
    let mut sum = [0; L];
    for lane in 0..L {
        sum[lane] = a[lane].saturating_add(b[lane]);
    }
    sum
}
