//! What a fit saw of its rows, for the model to keep.

use std::sync::Arc;

use super::super::{FitFacts, Model, ModelConfig};
use super::measure::{HELD_OUT_ROWS, errors_of, held_out, picked};
use super::options::CancelToken;
use super::regions::Draft;
use crate::bit_codes::Tables;
use crate::error::Result;
use crate::quantize::wide_norm;

/// The facts of a fit that was made on these rows `[rows, dim]`, without the error.
pub(super) fn facts(rows: &[f32], dim: usize, query_exponent: f64) -> FitFacts {
    let (mut min_norm, mut max_norm) = (f64::INFINITY, 0.0f64);
    for row in rows.chunks_exact(dim) {
        let norm = wide_norm(row);
        max_norm = max_norm.max(norm);
        if norm > 0.0 {
            min_norm = min_norm.min(norm);
        }
    }
    let min_norm = min_norm.min(max_norm);
    let rows = rows.len() / dim;
    FitFacts { rows, relative_mse: 0.0, min_norm, max_norm, query_exponent }
}

impl FitFacts {
    /// The same facts with the error of new rows. Where all rows are zeros, it has no meaning and is 0.
    pub(super) fn with_error(self, relative_mse: f64) -> Self {
        let relative_mse = if relative_mse.is_finite() { relative_mse } else { 0.0 };
        Self { relative_mse, ..self }
    }
}

/// Rows by which the error of new rows is estimated. The model is fitted on them, too, so that its own
/// error on them is too small: by an eighth where 16 regions of 384 values have 30,000 rows.
pub(super) struct HeldOut {
    /// For each row of the fit, whether it is one of them.
    is_held_out: Vec<bool>,
    rows: Vec<f32>,
    dim: usize,
}

impl HeldOut {
    pub(super) fn new(rows: &[f32], dim: usize, seed: u64) -> Self {
        let is_held_out = held_out(rows.len() / dim, HELD_OUT_ROWS, seed);
        let rows = picked(rows, dim, &is_held_out, true);
        Self { is_held_out, rows, dim }
    }

    /// The error of the held-out rows by regions with the centroids, axes and bits of the other rows alone.
    /// Which rows a region has stays as the fit of all `rows` has it. None where there are no other rows, or
    /// where the held-out rows are zeros.
    pub(super) fn relative_mse(
        &self,
        draft: &Draft<'_>,
        rows: &[f32],
        assigned: &[u8],
        tables: &Arc<Tables>,
        config: &ModelConfig,
        cancel: &CancelToken,
    ) -> Result<Option<f64>> {
        let others = picked(rows, self.dim, &self.is_held_out, false);
        if others.is_empty() {
            return Ok(None);
        }
        let assigned = picked(assigned, 1, &self.is_held_out, false);
        let draft = draft.of_other_rows(&others, &assigned, cancel)?;
        let mixture = draft.mixture(draft.plans(tables)?)?;
        let model = Model::from_mixture(config.clone(), mixture, None)?;
        // Rows of zeros may have an error and have no energy.
        let error = errors_of(&model, &self.rows, cancel)?.relative_mse();
        Ok(error.is_finite().then_some(error))
    }
}
