//! What a search knows before it sees a row: the steps of the trellis and their levels.

use super::super::costs::{Range as LevelRange, Width, cost_scale, set_levels};
use super::super::plan::{Plan, set_bits};
use crate::simd::vectorized;

/// A symbol of the trellis, as the search takes it.
#[derive(Debug)]
pub(super) struct Step {
    /// The number of the first latent.
    pub(super) latent: usize,
    pub(super) two_latents: bool,
    pub(super) bits: u32,
    /// A group takes every so many of its states: more than 1 while bits before the trellis are missing.
    pub(super) stride: usize,
    /// Whether the lowest cost is subtracted. Otherwise it is found, for the next step.
    pub(super) subtracts: bool,
    /// The levels of each latent.
    pub(super) ranges: [LevelRange; 2],
    /// The wider of the latents.
    pub(super) width: Width,
    /// Where the levels begin, among those of 16 or of 32 bits.
    levels: usize,
    /// Where the decisions begin, within those of all steps.
    pub(super) first_word: usize,
    /// Where the decision of a group is within those of the step.
    pub(super) packing: Packing,
    /// The end of the symbol's bits in the row.
    end: u32,
    /// Whether the state after the symbol is written. A state is the last bits of a row, of several symbols
    /// at once.
    pub(super) is_written: bool,
}

/// How the decisions of a step's groups are packed: as many as fit words of 16 bits, a power of two,
/// the first in the highest bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packing {
    bits: u32,
    /// The binary logarithm of the groups of a word.
    log_groups: u32,
    words: usize,
}

impl Packing {
    #[inline(always)]
    pub(super) fn new(bits: u32, states: usize) -> Self {
        let groups = states >> bits;
        let log_groups = (16 / bits).ilog2().min(groups.ilog2());
        Self { bits, log_groups, words: groups >> log_groups }
    }

    /// The words of a step.
    #[inline(always)]
    pub(super) fn words(self) -> usize {
        self.words
    }

    /// The groups of a word.
    #[inline(always)]
    pub(super) fn groups(self) -> usize {
        1 << self.log_groups
    }

    /// The word with a group's decision.
    #[inline(always)]
    pub(super) fn word(self, group: u16) -> u16 {
        group.wrapping_shr(self.log_groups)
    }

    /// A group's decision, out of its word.
    #[inline(always)]
    pub(super) fn decision(self, group: u16, word: u16) -> u16 {
        let later = !group & ((1u16 << self.log_groups) - 1);
        let shift = later.wrapping_mul(self.bits as u16);
        word.wrapping_shr(u32::from(shift)) & ((1u16 << self.bits) - 1)
    }
}

/// The steps of a plan's trellis.
#[derive(Debug)]
pub(in super::super) struct Steps {
    pub(super) all: Vec<Step>,
    pub(super) states: usize,
    pub(super) state_bits: u32,
    pub(super) cost_scale: f32,
    /// Levels above the lowest target.
    short_levels: Vec<u16>,
    long_levels: Vec<i32>,
}

impl Steps {
    pub(in super::super) fn new(plan: &Plan) -> Self {
        let state_bits = plan.window().state_bits();
        let mut steps = Self {
            all: Vec::new(),
            states: 1 << state_bits,
            state_bits,
            cost_scale: cost_scale(plan),
            short_levels: Vec::new(),
            long_levels: Vec::new(),
        };
        vectorized(
            #[inline(always)]
            || steps.add_all(plan),
        );
        steps.choose_written();
        steps
    }

    #[inline(always)]
    fn add_all(&mut self, plan: &Plan) {
        let states = self.states;
        let mut first_word = 0;
        for (number, symbol) in plan.symbols().iter().enumerate() {
            let bits = symbol.rate.bits();
            if bits > self.state_bits {
                continue;
            }
            let packing = Packing::new(bits, states);
            let count = symbol.rate.latents();
            let first = self.long_levels.len();
            self.long_levels.resize(first + count * states, 0);
            let mut ranges = [LevelRange::new(0, 0); 2];
            let of_latents = self.long_levels[first..].chunks_exact_mut(states);
            for (latent, (range, levels)) in ranges.iter_mut().zip(of_latents).enumerate() {
                *range = set_levels(plan, symbol, latent, self.cost_scale, levels);
            }
            let width = ranges[0].width().max(ranges[1].width());
            let mut levels = first;
            if width < Width::Long {
                levels = self.short_levels.len();
                for (long, range) in self.long_levels[first..].chunks_exact(states).zip(&ranges) {
                    self.short_levels.extend(long.iter().map(|level| range.short(*level)));
                }
                self.long_levels.truncate(first);
            }
            self.all.push(Step {
                latent: symbol.latent,
                two_latents: count == 2,
                bits,
                stride: plan.stride(number) as usize,
                subtracts: self.all.len() % 2 == 1,
                ranges,
                width,
                levels,
                first_word,
                packing,
                end: symbol.end,
                is_written: false,
            });
            first_word += packing.words();
        }
    }

    /// Chooses as few states as have all bits of the trellis: the last, then always the state after the
    /// symbol of the last bit that no chosen state has.
    fn choose_written(&mut self) {
        let mut begin = u32::MAX;
        for step in self.all.iter_mut().rev() {
            if step.end - step.bits < begin {
                step.is_written = true;
                begin = step.end.saturating_sub(self.state_bits);
            }
        }
    }

    /// The levels of the symbol's `latent`, 0 or 1, above the lowest target, unless they are long.
    #[inline(always)]
    pub(super) fn short_levels(&self, step: &Step, latent: usize) -> &[u16] {
        &self.short_levels[step.levels + latent * self.states..][..self.states]
    }

    /// The levels where they are long.
    #[inline(always)]
    pub(super) fn long_levels(&self, step: &Step, latent: usize) -> &[i32] {
        &self.long_levels[step.levels + latent * self.states..][..self.states]
    }

    /// Writes the state after a step into a row of zeros.
    #[inline(always)]
    pub(super) fn write(&self, step: &Step, state: u16, packed: &mut [u8]) {
        // Bits before the row are missing, and zero.
        let missing = self.state_bits.saturating_sub(step.end);
        set_bits(packed, step.end.saturating_sub(self.state_bits), u32::from(state) >> missing);
    }
}
