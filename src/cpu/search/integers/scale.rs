//! What integers mean.

use crate::search::ProductError;

/// The smallest step: one over it is a number, too.
const SMALLEST_STEP: f64 = 1.0 / (1u128 << 100) as f64;

/// How a query's integers become products: `offset + step * integer`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) step: f32,
    pub(super) offset: f32,
    pub(super) error: ProductError,
}

impl Scale {
    /// The scale that divides `range` into so many integers. A product is off by so many steps and by `error`. `magnitude`
    /// bounds it and each of its terms.
    pub(super) fn new(
        range: f64,
        integers: f64,
        steps: f64,
        error: f64,
        offset: f64,
        magnitude: f64,
    ) -> Self {
        let step = step(range, integers);
        // The integer, its product with the step, the offset and their sum are rounded to 24 bits.
        let roundings = magnitude / f64::from(1 << 21);
        let constant = ((f64::from(step) * steps + error) * 1.001 + roundings) as f32;
        Self { step, offset: offset as f32, error: ProductError { constant, per_norm: 0.0 } }
    }

    /// The same for `latents` products of weights with entries of tables, of which both are rounded: each weight by up to
    /// half a step, and each entry by half of its own table's step. An entry is at most `entry` such steps, and `sum` is
    /// what the magnitudes of all weights add up to.
    pub(super) fn of_entries(
        range: f64,
        integers: f64,
        latents: f64,
        entry: f64,
        sum: f64,
    ) -> Self {
        Self::new(range, integers, 0.5 * entry * latents, 0.5 * sum, 0.0, entry * sum)
    }

    /// The same where latents `z` are not rounded, but each value of the query is off by up to half a step. By Cauchy
    /// and Schwarz these roundings add at most half a step times `sqrt(latents) |z|`.
    pub(super) fn of_exact(range: f64, integers: f64, latents: f64, query_norm: f64) -> Self {
        let step = step(range, integers);
        let roundings = query_norm / f64::from(1 << 21);
        let per_norm = (0.5 * f64::from(step) * latents.sqrt() * 1.001 + roundings) as f32;
        Self { step, offset: 0.0, error: ProductError { constant: 0.0, per_norm } }
    }
}

/// The step that divides `range` into so many integers.
fn step(range: f64, integers: f64) -> f32 {
    (range / integers).max(SMALLEST_STEP) as f32
}
