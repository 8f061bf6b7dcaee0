//! The terms of a tile's rows, and keys.

use crate::search::{Batch, Metric, Rows, Terms};
use crate::simd::vectorized;

/// The terms of rows, each kind by itself, so that loops take several rows at a time.
#[derive(Default)]
pub(super) struct RowTerms {
    /// Norms, or what 8-bit codes are multiplied by.
    scales: Vec<f32>,
    /// What the metric needs of each row; zeros where it needs nothing.
    numbers: Vec<f32>,
    latents: Vec<f32>,
    centers: Vec<f32>,
    offsets: Vec<f32>,
}

impl RowTerms {
    pub(super) fn set(&mut self, batch: &Batch, metric: Metric, rows: &Rows<'_>) {
        batch.records.set_scales(rows, &mut self.scales);
        self.numbers.clear();
        if metric.has_numbers() {
            rows.gather(&batch.numbers, &mut self.numbers);
        }
        // A loop of its own for each: it takes several rows at a time, and asks none of them for its metric.
        match (metric, batch.has_norms()) {
            (Metric::InnerProduct, true) => self.fill(|s, n| Metric::InnerProduct.terms(s, 1.0, n)),
            (Metric::InnerProduct, false) => {
                self.fill(|s, n| Metric::InnerProduct.terms(1.0, s, n))
            }
            (Metric::Cosine, true) => self.fill(|s, n| Metric::Cosine.terms(s, 1.0, n)),
            (Metric::Cosine, false) => self.fill(|s, n| Metric::Cosine.terms(1.0, s, n)),
            (Metric::L2, true) => self.fill(|s, n| Metric::L2.terms(s, 1.0, n)),
            (Metric::L2, false) => self.fill(|s, n| Metric::L2.terms(1.0, s, n)),
        }
    }

    /// Fills in the terms, given those of a scale and a number.
    fn fill(&mut self, terms: impl Fn(f32, f32) -> Terms) {
        let Self { scales, numbers, latents, centers, offsets } = self;
        let count = scales.len();
        numbers.resize(count, 0.0);
        for kind in [&mut *latents, centers, offsets] {
            kind.resize(count, 0.0);
        }
        vectorized(
            #[inline(always)]
            || {
                let to = latents.iter_mut().zip(&mut *centers).zip(&mut *offsets);
                let of = scales.iter().zip(&*numbers);
                for (((latents, center), offset), (scale, number)) in to.zip(of) {
                    let of_row = terms(*scale, *number);
                    (*latents, *center, *offset) = (of_row.latents, of_row.center, of_row.offset);
                }
            },
        );
    }

    /// Turns the products of all rows with a query into keys. Returns whether any reaches the threshold.
    pub(super) fn reach(&self, keys: &mut [f32], center: f32, threshold: f32) -> bool {
        let Self { latents, centers, offsets, .. } = self;
        vectorized(
            #[inline(always)]
            || {
                let mut any = false;
                let terms = latents.iter().zip(centers).zip(offsets);
                for (key, ((latents, row_center), offset)) in keys.iter_mut().zip(terms) {
                    *key = latents * *key + (row_center * center + offset);
                    // Without an early end, so that it takes several rows at a time.
                    any |= *key >= threshold;
                }
                any
            },
        )
    }
}
