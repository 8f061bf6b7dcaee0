//! Whether new rows are still like those that a model was fitted on.

use std::sync::Arc;

use super::Codec;
use super::blocks::{Blocks, PART_BYTES};
use super::report::{EncodeOptions, EncodeReport, in_blocks};
use crate::element::Element;
use crate::error::Result;
use crate::metrics::{ErrorSums, relative};
use crate::rows::Rows;
use crate::wait::WaitMode;

/// Smaller errors are rounding.
const LEAST_ERROR: f64 = 1e-12;

/// How new rows compare with those that a model was fitted on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Drift {
    /// Rows that were compared.
    pub rows: usize,
    /// Their squared error over their energy.
    pub relative_mse: f64,
    /// The same of rows that were held out of the fit: [`FitFacts::relative_mse`](crate::FitFacts).
    pub fitted_relative_mse: f64,
    /// Rows outside the range of the rows of the fit, as [`EncodeReport`] defines it.
    pub clipped_rows: usize,
    /// The index of the first of them.
    pub first_clipped_row: Option<usize>,
    /// The sum of the squared errors of all values.
    pub squared_error: f64,
    /// The energy of the rows: the sum of their squared norms.
    pub energy: f64,
}

impl Drift {
    /// The error of the rows over the error of the fit: about 1 while rows are of the same kind. Where it
    /// stays above 1.2, say, a new fit pays.
    ///
    /// Errors below 1e-12 count as 1e-12.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.relative_mse.max(LEAST_ERROR) / self.fitted_relative_mse.max(LEAST_ERROR)
    }

    /// The drift of these rows and then those of `next`, by the same model.
    pub fn merged(self, next: Self) -> Self {
        let squared_error = self.squared_error + next.squared_error;
        let energy = self.energy + next.energy;
        let report = self.report().merged(next.report());
        Self::new(report, self.fitted_relative_mse, squared_error, energy)
    }

    fn new(
        report: EncodeReport,
        fitted_relative_mse: f64,
        squared_error: f64,
        energy: f64,
    ) -> Self {
        let EncodeReport { rows, clipped_rows, first_clipped_row } = report;
        Self {
            rows,
            relative_mse: relative(squared_error, energy),
            fitted_relative_mse,
            clipped_rows,
            first_clipped_row,
            squared_error,
            energy,
        }
    }

    fn report(&self) -> EncodeReport {
        let &Self { rows, clipped_rows, first_clipped_row, .. } = self;
        EncodeReport { rows, clipped_rows, first_clipped_row }
    }
}

impl Codec {
    /// Compares rows with those that the model was fitted on. Encodes and decodes them, 64 MiB at a time.
    ///
    /// Blocks, copies and allocates as [`encode_with`](Self::encode_with) and
    /// [`decode_flat`](Self::decode_flat) do.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode), and a model that does not know what its fit saw.
    pub fn check<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<Drift> {
        let rows = Rows::nested(rows, self.model().config().dim)?;
        pollster::block_on(self.check_rows(WaitMode::Blocking, rows))
    }

    /// Compares rows `[rows, dim]` of f32 or f16, as [`check`](Self::check) does.
    ///
    /// # Errors
    /// As for [`check`](Self::check), and a length that is no multiple of `dim`.
    pub fn check_flat<T: Element>(&self, rows: &[T]) -> Result<Drift> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        pollster::block_on(self.check_rows(WaitMode::Blocking, rows))
    }

    pub(super) async fn check_rows<T: Element>(
        &self,
        mode: WaitMode,
        rows: Rows<'_, T>,
    ) -> Result<Drift> {
        let (dim, facts) = (rows.dim(), self.model().expect_facts()?);
        let mut parts = Blocks::of_bytes(rows.len(), dim * size_of::<f32>(), PART_BYTES);
        let (mut sums, mut report) = (ErrorSums::default(), EncodeReport::default());
        while let Some(part) = parts.take() {
            let (start, rows) = (part.start, rows.slice(part));
            let encoded = self.encode_rows_with(mode, &rows, EncodeOptions::default()).await;
            let (codes, of_part) = encoded.map_err(|e| e.with_row_offset(start))?;
            let decoded = Arc::new(self.decode_vec(mode, &codes).await?);
            let of_block = move |first: usize, rows: &[f32]| {
                let mut sums = ErrorSums::default();
                sums.add(rows, &decoded[first * dim..][..rows.len()], dim).map(|()| sums)
            };
            for of_block in in_blocks(mode, &rows, of_block).await? {
                sums = sums.merged(of_block?);
            }
            report = report.merged(of_part);
        }
        let (squared_error, energy) = (sums.squared_error(), sums.energy());
        Ok(Drift::new(report, facts.relative_mse, squared_error, energy))
    }
}
