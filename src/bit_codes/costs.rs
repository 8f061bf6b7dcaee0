//! The costs of a search over the trellis, in integers, so that all engines find the same codes.
//!
//! ```text
//! C             = 2^floor(log2(TARGET / root mean square over latents of step 2^-rate))
//! scale         = step C, rounded to 13 bits
//! level[state]  = round(table[state] * scale)
//! goal          = round(z C)
//! target        = goal, within [lowest level - MARGIN, largest level + MARGIN]
//! span          = largest level - lowest level + MARGIN
//! slope         = min(|goal - target|, floor(2^29 / span), 65535)
//! e             = |target - level[state]|,  at most span
//! f(e)          = (e e) >> 16              for e <= 32767,
//!                 16384 + ((e - 32768) >> u)   above
//! u             = the least for which span >> u <= 16383
//! increment     = min(f(e) + ((e slope) >> 15), 32767)
//! cost'[state]  = min(best[group] - lowest + increment, 32767)
//! ```
//!
//! `round` is half to even. `best[group]` is the lowest cost of the states before. At every second symbol of
//! the trellis `lowest` is the lowest cost of all states before; at the others it is 0. The increment of a
//! symbol of two latents is the sum of two, and 32,767 at most. No number exceeds 32 bits.
//!
//! 1. An error of the expected size is between half of `TARGET` and `TARGET`, so that its increment is
//!    about 10. Increments are whole numbers, which costs about a thousandth of the error.
//! 2. A latent that lies far outside its table would have a large increment for every state, and 16
//!    bits would not hold what tells states apart. With an excess of `x`, the increment is therefore
//!    the squared error less the square of the excess, which all states have in common:
//!    `(e + x)^2 - x^2 = e^2 + 2 x e`. The limits of the slope keep the farthest level within 16 bits,
//!    and the slope too.
//! 3. The increments of far levels grow linearly. Of tables of many bits even the nearest level can be
//!    that far, and it must still have the lowest increment.
//! 4. An entry of a table has the 11 bits of an f16, so that its product with the scale is exact in f32. It
//!    then does not matter whether a GPU rounds before it adds the product to something.
//! 5. Where the span is below 32,768, 16 bits hold `target`, `level` and `e`.

use super::plan::{Plan, Symbol};

/// The expected error of a latent.
const TARGET: f64 = 1024.0;
/// How far beyond the levels a target may lie: about four standard deviations of a latent of one bit.
pub(crate) const MARGIN: i32 = 4096;
/// The largest cost.
pub(crate) const MAX_COST: i16 = i16::MAX;
/// Beyond every level, and still far from an overflow of `i32`.
const MAX_LEVEL: f32 = (1 << 28) as f32;
const MAX_GOAL: f32 = (1 << 29) as f32;

/// The largest exponent of `C`, which is a normal number.
const MAX_EXPONENT: f64 = 126.0;

/// The factor `C` of a plan's latents.
pub(crate) fn cost_scale(plan: &Plan) -> f32 {
    let errors = plan.latent_rates().zip(plan.steps()).map(|(rate, step)| {
        (f64::from(*step) * (-f64::from(rate.bits_per_latent())).exp2()).powi(2)
    });
    let mean = errors.sum::<f64>() / plan.latents() as f64;
    let exponent = if mean > 0.0 { (TARGET / mean.sqrt()).log2().floor() } else { 0.0 };
    exponent.clamp(-MAX_EXPONENT, MAX_EXPONENT).exp2() as f32
}

/// What the table of a latent is multiplied by, in units of the costs.
pub(crate) fn table_scale(plan: &Plan, latent: usize, cost_scale: f32) -> f32 {
    /// Bits of an f32 behind those that stay.
    const DROPPED_BITS: u32 = 24 - 13;
    let bits = (plan.steps()[latent] * cost_scale).to_bits();
    // Half of the last bit that stays is added. A carry into the exponent is what rounding up means.
    f32::from_bits((bits + (1 << (DROPPED_BITS - 1))) & !((1 << DROPPED_BITS) - 1))
}

/// How many bits the distances between a target and a level need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Width {
    /// 15 bits.
    Near,
    /// 16 bits, and so do those between two targets.
    Short,
    /// More.
    Long,
}

/// The levels of one latent of a symbol: the lowest, the largest, and what follows from them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) lowest: i32,
    pub(crate) highest: i32,
    pub(crate) max_slope: i32,
    /// By how many bits the distances of far levels are shifted.
    pub(crate) shift: i32,
}

impl Range {
    #[inline(always)]
    pub(crate) fn new(lowest: i32, highest: i32) -> Self {
        let span = highest - lowest + MARGIN;
        let max_slope = ((1 << 29) / span).min(0xffff);
        // Of spans up to 16,383 the logarithm is at most 13.
        let shift = (span.ilog2() as i32 - 13).max(0);
        Self { lowest, highest, max_slope, shift }
    }

    /// How many bits the distances of a latent need.
    pub(super) fn width(&self) -> Width {
        let span = self.highest - self.lowest + MARGIN;
        match (span, span + MARGIN) {
            (..=0x7fff, _) => Width::Near,
            (_, ..=0xffff) => Width::Short,
            _ => Width::Long,
        }
    }

    /// A level or target above the lowest target, of a latent that is not long.
    #[inline(always)]
    pub(super) fn short(&self, level: i32) -> u16 {
        level.wrapping_sub(self.lowest - MARGIN) as u16
    }

    /// Whether 16 bits hold everything about a latent without an excess.
    fn is_narrow(&self) -> bool {
        const MAX: i32 = MAX_COST as i32;
        self.width() == Width::Near && self.lowest - MARGIN >= -MAX && self.highest + MARGIN <= MAX
    }

    /// The target and the slope of a latent in units of the costs.
    #[inline(always)]
    pub(crate) fn goal(&self, scaled: f32) -> (i32, i32) {
        let goal = rounded(scaled.clamp(-MAX_GOAL, MAX_GOAL));
        let (first, last) = (self.lowest - MARGIN, self.highest + MARGIN);
        let target = goal.max(first).min(last);
        (target, goal.wrapping_sub(target).wrapping_abs().min(self.max_slope))
    }
}

/// A number of at most 31 bits, rounded half to even. Added to such a large number it has its last bits.
///
/// A cast checks for NaN and for limits, and is no instruction of vectors.
#[inline(always)]
fn rounded(value: f32) -> i32 {
    /// With a last bit of 1, also after a negative number is added.
    const LARGE: f64 = 1.5 * (1u64 << 52) as f64;
    (f64::from(value) + LARGE).to_bits() as i32
}

/// The increment of a level. Nothing here wraps: a loop over rows becomes vectors only if nothing has to
/// be checked.
#[inline(always)]
pub(crate) fn increment(target: i32, slope: i32, shift: i32, level: i32) -> i32 {
    const MAX: i32 = MAX_COST as i32;
    let e = target.wrapping_sub(level).wrapping_abs();
    let near = e.min(MAX).wrapping_mul(e.min(MAX)).wrapping_shr(16);
    let far = e.wrapping_sub(32_768).wrapping_shr(shift as u32).wrapping_add(16_384);
    let inside = if e <= MAX { near } else { far };
    inside.wrapping_add(e.wrapping_mul(slope).wrapping_shr(15)).min(MAX)
}

/// Whether 16 bits hold everything about a symbol whose latents have levels in these ranges.
pub(crate) fn is_narrow(ranges: &[Range]) -> bool {
    ranges.iter().all(Range::is_narrow)
}

/// Writes the levels of one latent of a symbol, one for each state, and returns their range.
#[inline(always)]
pub(crate) fn set_levels(
    plan: &Plan,
    symbol: &Symbol,
    latent: usize,
    cost_scale: f32,
    levels: &mut [i32],
) -> Range {
    let table_scale = table_scale(plan, symbol.latent + latent, cost_scale);
    let table = plan.tables().latent_table(symbol.rate, latent);
    let (mut lowest, mut highest) = (i32::MAX, i32::MIN);
    for (level, value) in levels.iter_mut().zip(table) {
        let rounded = (value * table_scale).round_ties_even().clamp(-MAX_LEVEL, MAX_LEVEL);
        *level = rounded as i32;
        lowest = lowest.min(*level);
        highest = highest.max(*level);
    }
    Range::new(lowest, highest)
}

/// The range of the levels of one latent of a symbol.
#[cfg(feature = "gpu")]
pub(crate) fn level_range(plan: &Plan, symbol: &Symbol, latent: usize, cost_scale: f32) -> Range {
    let mut levels = vec![0; 1 << plan.window().bits(symbol.rate)];
    set_levels(plan, symbol, latent, cost_scale, &mut levels)
}
