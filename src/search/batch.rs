//! Codes that are ready to be searched.

use super::bitmap::Bitmap;
use super::listing::Listing;
use super::metric::{Metric, Terms};
use super::records::Records;

/// Rows that are searched together, and what a metric needs of them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Records,
    /// All rows by region.
    pub(crate) listing: Listing,
    /// What the metric needs of each row; empty where it needs nothing.
    pub(crate) numbers: Vec<f32>,
    /// By region.
    pub(crate) reaches: Vec<Reach>,
}

/// The largest magnitudes among the rows of a region, by which the errors of keys are bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reach {
    /// Of `a |z|`.
    pub(crate) latents: f32,
    /// Of `a`. The scale of 8-bit codes counts as part of `z`, not of `a`.
    pub(crate) scale: f32,
    /// Of `b`.
    pub(crate) center: f32,
    /// Of `o`.
    pub(crate) offset: f32,
}

impl Reach {
    /// Includes a row whose latents `z` have this norm.
    pub(crate) fn include(&mut self, terms: Terms, norm: f32) {
        self.latents = self.latents.max(terms.latents.abs() * norm);
        self.scale = self.scale.max(terms.latents.abs());
        self.center = self.center.max(terms.center.abs());
        self.offset = self.offset.max(terms.offset.abs());
    }

    /// What both reach.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            latents: self.latents.max(other.latents),
            scale: self.scale.max(other.scale),
            center: self.center.max(other.center),
            offset: self.offset.max(other.offset),
        }
    }
}

impl Batch {
    pub(crate) fn row_count(&self) -> usize {
        self.records.row_count()
    }

    /// The packed codes of a row.
    #[inline(always)]
    pub(crate) fn packed(&self, row: u32) -> &[u8] {
        self.records.packed(row)
    }

    /// Whether scales are norms. Else 8-bit codes are multiplied by them.
    pub(crate) fn has_norms(&self) -> bool {
        self.records.config().bytes().is_some()
    }

    /// The norm of a row, and what its 8-bit codes are multiplied by: 1 where there is no such number.
    #[inline(always)]
    pub(crate) fn norm_and_scale(&self, row: u32) -> (f32, f32) {
        let scale = self.records.scale(row);
        if self.has_norms() { (scale, 1.0) } else { (1.0, scale) }
    }

    /// The terms of a row.
    #[inline(always)]
    pub(crate) fn terms(&self, metric: Metric, row: u32) -> Terms {
        let number = self.numbers.get(row as usize).copied().unwrap_or(0.0);
        let (norm, code_scale) = self.norm_and_scale(row);
        metric.terms(norm, code_scale, number)
    }

    /// The rows of this batch and then those of the next one, of the same model; none without rows.
    pub(crate) fn merged(&self, next: &Self) -> Option<Self> {
        let records = Records::Codes(self.records.merged(&next.records)?);
        let numbers = [self.numbers.as_slice(), &next.numbers].concat();
        let both = self.reaches.iter().zip(&next.reaches);
        let reaches = both.map(|(a, b)| a.max(*b)).collect();
        let listing = self.listing.merged(self.row_count() as u32, &next.listing);
        Some(Self { records, listing, numbers, reaches })
    }

    /// Some of the rows, in order; none without rows.
    pub(crate) fn select(&self, rows: &[u32]) -> Option<Self> {
        let records = Records::Codes(self.records.select(rows.iter().copied())?);
        let numbers = match self.numbers.as_slice() {
            [] => Vec::new(),
            numbers => rows.iter().map(|row| numbers[*row as usize]).collect(),
        };
        let listing = self.listing.select(rows);
        Some(Self { records, listing, numbers, reaches: self.reaches.clone() })
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> u64 {
        let numbers = size_of_val(self.numbers.as_slice()) as u64;
        self.records.bytes() + numbers + self.listing.bytes()
    }
}

/// A batch as one search sees it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) batch: &'a Batch,
    /// The number of the batch's first row among the rows of all batches.
    pub(crate) first_row: u64,
    /// Rows that may be found; all if none.
    pub(crate) allowed: Option<Bitmap>,
    /// The rows to score, if they are few; else all rows are scored.
    pub(crate) listing: Option<Listing>,
}

impl View<'_> {
    /// The rows to score.
    pub(crate) fn listing(&self) -> &Listing {
        self.listing.as_ref().unwrap_or(&self.batch.listing)
    }

    #[inline(always)]
    pub(crate) fn is_allowed(&self, row: u32) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(row))
    }
}

/// The number of the view that holds a row, given by its number among the rows of all views, and the row's
/// number in the batch.
pub(crate) fn locate(views: &[View<'_>], row: u64) -> (usize, u32) {
    let view = views.partition_point(|view| view.first_row <= row) - 1;
    (view, (row - views[view].first_row) as u32)
}
