//! The exact keys of single rows.

use std::cell::RefCell;

use super::tile::unpack;
use crate::bit_codes::PaddedRow;
use crate::linear::wide_dot;
use crate::model::Model;
use crate::search::{Queries, View, locate};
use crate::simd::vectorized;

/// Scores single rows. Keys are summed in `f64` and rounded once, so that they depend on nothing but the
/// row and the query.
pub(super) struct Exact<'a> {
    model: &'a Model,
    views: &'a [View<'a>],
    queries: &'a Queries,
    scratch: RefCell<(PaddedRow, Vec<f32>)>,
}

impl<'a> Exact<'a> {
    pub(super) fn new(model: &'a Model, views: &'a [View<'a>], queries: &'a Queries) -> Self {
        Self { model, views, queries, scratch: RefCell::default() }
    }

    /// The key of a row, by its number among the rows of all views.
    pub(super) fn key(&self, row: u64, query: usize) -> f32 {
        let (view, row) = locate(self.views, row);
        let batch = self.views[view].batch;
        let region = batch.records.region(self.model, row);
        let layers = self.model.region(region);
        let latents = layers.decoder.inputs;
        let (padded, values) = &mut *self.scratch.borrow_mut();
        values.resize(latents, 0.0);
        let projection = self.queries.region(region);
        let query_values = &projection.query(query)[..latents];
        let product = vectorized(
            #[inline(always)]
            || {
                unpack(layers.plan, batch.packed(row), padded, values);
                wide_dot(query_values, values)
            },
        );
        let terms = batch.terms(self.queries.metric, row);
        let center = f64::from(terms.center) * f64::from(projection.centers[query]);
        // Minus zero becomes zero: they are equal, and would not be ordered as equals.
        (f64::from(terms.latents) * product + center + f64::from(terms.offset)) as f32 + 0.0
    }
}
