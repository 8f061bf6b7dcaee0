//! What integers mean.

use crate::search::SMALLEST_STEP;

/// How a query's integers become products: `offset + step * integer`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) step: f32,
    pub(super) offset: f32,
    /// How far a product may be off.
    pub(super) error: f32,
}

impl Scale {
    /// The scale at which `range` makes `integers`. A product is off by so many steps and by `error`. `magnitude`
    /// bounds it and each of its terms.
    pub(super) fn new(
        range: f64,
        integers: f64,
        steps: f64,
        error: f64,
        offset: f64,
        magnitude: f64,
    ) -> Self {
        let step = (range / integers).max(SMALLEST_STEP) as f32;
        // The integer, its product with the step, the offset and their sum are rounded to 24 bits.
        let roundings = magnitude / f64::from(1 << 21);
        let error = (f64::from(step) * steps + error) * 1.001 + roundings;
        Self { step, offset: offset as f32, error: error as f32 }
    }
}
