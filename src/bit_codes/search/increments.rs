//! The increments of the costs by one symbol, for several rows side by side.
//!
//! The kinds differ in what is known of the rows. All give what `costs` defines.

#![expect(
    clippy::needless_range_loop,
    reason = "a loop over lanes becomes one instruction, whatever arrays it indexes"
)]

use super::super::costs::{MAX_COST, Range, increment};

/// A number for each of the rows that are searched side by side.
pub(super) type Lanes<const LANES: usize> = [i16; LANES];

/// The increments of the costs of a symbol. This is no closure, because a closure is not always
/// inlined, and the vectors of the machine are known only to what is inlined.
pub(super) trait Increments<const LANES: usize> {
    /// The same for the first states. If the compiler knows their number, it leaves checks of indices out.
    fn cut(self, states: usize) -> Self;

    /// The increments of a state, one for each row.
    fn of(&self, state: usize) -> Lanes<LANES>;
}

/// A latent of each row: where it is sought, and the slope of its costs if it lies beyond.
#[derive(Clone, Copy)]
pub(super) struct Targets<const LANES: usize> {
    targets: [i32; LANES],
    slopes: [i32; LANES],
    range: Range,
    /// Whether a row has a slope.
    pub(super) any_slope: bool,
}

impl<const LANES: usize> Targets<LANES> {
    /// The targets of a latent, one for each row.
    #[inline(always)]
    pub(super) fn new(latents: &[f32; LANES], cost_scale: f32, range: &Range) -> Self {
        let (mut targets, mut slopes) = ([0; LANES], [0; LANES]);
        let mut any = 0;
        for lane in 0..LANES {
            (targets[lane], slopes[lane]) = range.goal(latents[lane] * cost_scale);
            any |= slopes[lane];
        }
        Self { targets, slopes, range: *range, any_slope: any != 0 }
    }

    #[inline(always)]
    pub(super) fn near<'a>(&self, levels: &'a [u16]) -> One<'a, Near<LANES>> {
        One { rows: Near { target: self.short_targets() }, levels }
    }

    #[inline(always)]
    pub(super) fn short<'a>(&self, levels: &'a [u16]) -> One<'a, Short<LANES>> {
        One { rows: Short { target: self.short_targets() }, levels }
    }

    #[inline(always)]
    pub(super) fn sloped<'a>(&self, levels: &'a [u16]) -> One<'a, Sloped<LANES>> {
        let mut slope = [0; LANES];
        for lane in 0..LANES {
            slope[lane] = self.slopes[lane] as u16;
        }
        One { rows: Sloped { target: self.short_targets(), slope }, levels }
    }

    #[inline(always)]
    pub(super) fn long<'a>(&self, levels: &'a [i32]) -> One<'a, Long<LANES>> {
        One { rows: Long(*self), levels }
    }

    /// The targets above the lowest one that is possible.
    #[inline(always)]
    fn short_targets(&self) -> [u16; LANES] {
        let mut short = [0; LANES];
        for lane in 0..LANES {
            short[lane] = self.range.short(self.targets[lane]);
        }
        short
    }
}

/// What is known of a latent of each row.
pub(super) trait LatentCosts {
    type Level: Copy;

    /// The increment of a level, for the row of a lane.
    fn increment(&self, lane: usize, level: Self::Level) -> i16;
}

/// Distances fit 15 bits, and no row has a slope.
pub(super) struct Near<const LANES: usize> {
    target: [u16; LANES],
}

/// Distances fit 16 bits, and no row has a slope.
pub(super) struct Short<const LANES: usize> {
    target: [u16; LANES],
}

/// Distances fit 16 bits, and slopes do, too.
pub(super) struct Sloped<const LANES: usize> {
    target: [u16; LANES],
    slope: [u16; LANES],
}

/// Anything, in 32 bits.
pub(super) struct Long<const LANES: usize>(Targets<LANES>);

/// A latent: what is known of it, and the level of each state.
pub(super) struct One<'a, K: LatentCosts> {
    rows: K,
    levels: &'a [K::Level],
}

/// Two latents.
pub(super) struct Two<A>(pub(super) A, pub(super) A);

impl<const LANES: usize> LatentCosts for Near<LANES> {
    type Level = u16;

    #[inline(always)]
    fn increment(&self, lane: usize, level: u16) -> i16 {
        let e = i32::from(self.target[lane].wrapping_sub(level) as i16);
        (e.wrapping_mul(e) >> 16) as i16
    }
}

impl<const LANES: usize> LatentCosts for Short<LANES> {
    type Level = u16;

    #[inline(always)]
    fn increment(&self, lane: usize, level: u16) -> i16 {
        short_increment(self.target[lane].abs_diff(level)) as i16
    }
}

impl<const LANES: usize> LatentCosts for Sloped<LANES> {
    type Level = u16;

    #[inline(always)]
    fn increment(&self, lane: usize, level: u16) -> i16 {
        let (e, slope) = (self.target[lane].abs_diff(level), self.slope[lane]);
        // The product without its last 15 bits, of which there are 16 at most.
        let beyond = high_product(e, slope).wrapping_shl(1) | e.wrapping_mul(slope) >> 15;
        short_increment(e).wrapping_add(beyond).min(MAX_COST as u16) as i16
    }
}

impl<const LANES: usize> LatentCosts for Long<LANES> {
    type Level = i32;

    #[inline(always)]
    fn increment(&self, lane: usize, level: i32) -> i16 {
        let Targets { targets, slopes, range, .. } = &self.0;
        increment(targets[lane], slopes[lane], range.shift, level) as i16
    }
}

impl<K: LatentCosts, const LANES: usize> Increments<LANES> for One<'_, K> {
    #[inline(always)]
    fn cut(self, states: usize) -> Self {
        Self { levels: &self.levels[..states], ..self }
    }

    #[inline(always)]
    fn of(&self, state: usize) -> Lanes<LANES> {
        let level = self.levels[state];
        let mut increments = [0; LANES];
        for lane in 0..LANES {
            increments[lane] = self.rows.increment(lane, level);
        }
        increments
    }
}

impl<A: Increments<LANES>, const LANES: usize> Increments<LANES> for Two<A> {
    #[inline(always)]
    fn cut(self, states: usize) -> Self {
        Self(self.0.cut(states), self.1.cut(states))
    }

    #[inline(always)]
    fn of(&self, state: usize) -> Lanes<LANES> {
        saturating_sum(&self.0.of(state), &self.1.of(state))
    }
}

/// The increment at a distance of 16 bits. Where the span has 16 bits, `costs` shifts by 2 bits, so that
/// the line `16384 + ((e - 32768) >> 2)` is `8192 + (e >> 2)`. Up to 32,768 the square is below that line,
/// and above it is not. Spans of fewer bits end before.
#[inline(always)]
fn short_increment(e: u16) -> u16 {
    high_product(e, e).min((e >> 2).wrapping_add(8192))
}

/// The high half of a product, as one instruction computes it.
#[inline(always)]
fn high_product(a: u16, b: u16) -> u16 {
    (u32::from(a).wrapping_mul(u32::from(b)) >> 16) as u16
}

#[inline(always)]
pub(super) fn saturating_sum<const LANES: usize>(
    a: &Lanes<LANES>,
    b: &Lanes<LANES>,
) -> Lanes<LANES> {
    let mut sum = [0; LANES];
    for lane in 0..LANES {
        sum[lane] = a[lane].saturating_add(b[lane]);
    }
    sum
}
