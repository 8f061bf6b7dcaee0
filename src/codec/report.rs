//! Encoding with a report on rows unlike those of the fit.

use std::sync::Arc;

use rayon::prelude::*;

use super::Codec;
use super::blocks::{Blocks, Job, PoolJobs, TASK_BLOCK_BYTES};
use super::pool::on_pool;
use crate::codes::Codes;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::quantize::wide_norm;
use crate::rows::Rows;
use crate::wait::WaitMode;

/// Options of [`Codec::encode_with`] and [`Codec::encode_flat_with`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct EncodeOptions {
    /// Whether clipped rows are an error. They are counted otherwise.
    pub strict: bool,
}

impl EncodeOptions {
    /// The same options, with an error for clipped rows or without.
    pub fn with_strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}

/// What encoding noticed about rows.
///
/// A row is *clipped* if it lies outside the range of the rows that the model was fitted on, as rows do that
/// someone forgot to normalise:
///
/// - Its norm is less than half of the least or more than twice the largest norm of these rows. Rows of
///   zeros do not count, and no row does in a model without [`FitFacts`](crate::FitFacts).
/// - In a model of bit codes, a latent is more than four times the largest value that its bits can
///   give, and more than eight times its step, which is about its standard deviation. The code is then
///   far from the row. Latents that vary a ten thousandth as much as the first do not count alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct EncodeReport {
    /// Rows that were encoded.
    pub rows: usize,
    /// How many of them are clipped.
    pub clipped_rows: usize,
    /// The index of the first clipped row.
    pub first_clipped_row: Option<usize>,
}

impl EncodeReport {
    /// The report on these rows and then those of `next`.
    pub fn merged(self, next: Self) -> Self {
        let first_of_next = next.first_clipped_row.map(|row| self.rows + row);
        Self {
            rows: self.rows + next.rows,
            clipped_rows: self.clipped_rows + next.clipped_rows,
            first_clipped_row: self.first_clipped_row.or(first_of_next),
        }
    }

    /// An error if there are clipped rows.
    fn check(&self) -> Result<()> {
        match self.first_clipped_row {
            Some(row) => Err(Error::ClippedRows { row, count: self.clipped_rows, rows: self.rows }),
            None => Ok(()),
        }
    }
}

impl Codec {
    /// Encodes rows given one by one as [`encode`](Self::encode) does, and reports how many lie outside the
    /// range of the rows that the model was fitted on.
    ///
    /// Blocks, copies and allocates as [`encode`](Self::encode) does. It also reads the rows once more for
    /// their norms, unless the model stores norms.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode), and clipped rows where the options are strict.
    pub fn encode_with<R: AsRef<[f32]>>(
        &self,
        rows: &[R],
        options: EncodeOptions,
    ) -> Result<(Codes, EncodeReport)> {
        let rows = Rows::nested(rows, self.model().config().dim)?;
        pollster::block_on(self.encode_rows_with(WaitMode::Blocking, &rows, options))
    }

    /// Encodes rows `[rows, dim]` of f32 or f16 with a report, as [`encode_with`](Self::encode_with) does.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat), and clipped rows where the options are strict.
    pub fn encode_flat_with<T: Element>(
        &self,
        rows: &[T],
        options: EncodeOptions,
    ) -> Result<(Codes, EncodeReport)> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        pollster::block_on(self.encode_rows_with(WaitMode::Blocking, &rows, options))
    }

    pub(super) async fn encode_rows_with<T: Element>(
        &self,
        mode: WaitMode,
        rows: &Rows<'_, T>,
        options: EncodeOptions,
    ) -> Result<(Codes, EncodeReport)> {
        let (packed, scales) = self.encode_to_parts(mode, rows).await?;
        let report = self.report(mode, rows, &scales).await?;
        let codes = Codes::from_engine(self.model(), packed, scales)?;
        if options.strict {
            report.check()?;
        }
        Ok((codes, report))
    }

    /// The report on rows whose scales came from the engine.
    async fn report<T: Element>(
        &self,
        mode: WaitMode,
        rows: &Rows<'_, T>,
        scales: &[f32],
    ) -> Result<EncodeReport> {
        let (config, facts) = (self.model().config(), self.model().fit_facts().cloned());
        let by_latents = |row: usize| scales[row].is_sign_negative();
        let clipped: Vec<bool> = match facts {
            None => (0..rows.len()).map(by_latents).collect(),
            // The scales are the norms.
            Some(facts) if config.bytes().is_some() && config.has_row_scales() => {
                let norm = |row: usize| f64::from(scales[row].abs());
                (0..rows.len()).map(|row| by_latents(row) || facts.is_outside(norm(row))).collect()
            }
            Some(facts) => {
                let dim = config.dim;
                let by_norm = move |_, rows: &[f32]| -> Vec<bool> {
                    rows.chunks_exact(dim).map(|row| facts.is_outside(wide_norm(row))).collect()
                };
                let by_norm = in_blocks(mode, rows, by_norm).await?.concat();
                by_norm.iter().enumerate().map(|(row, norm)| *norm || by_latents(row)).collect()
            }
        };
        Ok(EncodeReport {
            rows: rows.len(),
            clipped_rows: clipped.iter().filter(|clipped| **clipped).count(),
            first_clipped_row: clipped.iter().position(|clipped| *clipped),
        })
    }
}

/// Calls `work` for blocks of rows, with the number of the first row and the rows as f32 `[block, dim]`.
/// Returns the results in order. For a task, the pool works on copies.
pub(super) async fn in_blocks<T: Element, R: Send + 'static>(
    mode: WaitMode,
    rows: &Rows<'_, T>,
    work: impl Fn(usize, &[f32]) -> R + Send + Sync + 'static,
) -> Result<Vec<R>> {
    let mut blocks = Blocks::of_bytes(rows.len(), rows.dim() * size_of::<T>(), TASK_BLOCK_BYTES);
    if mode == WaitMode::Blocking {
        let ranges: Vec<_> = std::iter::from_fn(|| blocks.take()).collect();
        let of_range = |(owned, wide): &mut (Vec<T>, Vec<f32>), range: std::ops::Range<usize>| {
            let start = range.start;
            rows.copy_to(range, owned);
            work(start, widened(owned, wide))
        };
        return Ok(ranges.into_par_iter().map_init(Default::default, of_range).collect());
    }
    let work = Arc::new(work);
    let mut jobs = PoolJobs::new(blocks, |range| -> Job<R> {
        let (work, start, mut owned) = (work.clone(), range.start, Vec::new());
        rows.copy_to(range, &mut owned);
        Box::pin(on_pool(move || Ok(work(start, widened(&owned, &mut Vec::new())))))
    });
    let mut results = Vec::new();
    while let Some(result) = jobs.next().await {
        results.push(result?.1);
    }
    Ok(results)
}

/// Values as `f32`, in `wide` if they are not.
fn widened<'a, T: Element>(values: &'a [T], wide: &'a mut Vec<f32>) -> &'a [f32] {
    match T::as_f32(values) {
        Some(values) => values,
        None => {
            wide.resize(values.len(), 0.0);
            T::widen(values, wide);
            wide
        }
    }
}
