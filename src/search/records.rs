//! The codes of rows, wherever they are.

use std::ops::Range;

use crate::codes::Codes;
#[cfg(feature = "files")]
use crate::codes::MappedCodes;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::model::{Model, ModelConfig};

/// Codes in memory or in a file.
#[derive(Debug)]
pub(crate) enum Records {
    Codes(Codes),
    #[cfg(feature = "files")]
    Mapped(MappedCodes),
}

impl Records {
    pub(crate) fn row_count(&self) -> usize {
        match self {
            Self::Codes(codes) => codes.row_count(),
            #[cfg(feature = "files")]
            Self::Mapped(codes) => codes.row_count(),
        }
    }

    pub(crate) fn config(&self) -> &ModelConfig {
        match self {
            Self::Codes(codes) => codes.config(),
            #[cfg(feature = "files")]
            Self::Mapped(codes) => codes.config(),
        }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Codes(codes) => codes.fingerprint(),
            #[cfg(feature = "files")]
            Self::Mapped(codes) => codes.fingerprint(),
        }
    }

    /// The packed codes of a row.
    #[inline(always)]
    pub(crate) fn packed(&self, row: u32) -> &[u8] {
        match self {
            Self::Codes(codes) => codes.packed(row as usize),
            #[cfg(feature = "files")]
            Self::Mapped(codes) => codes.packed(row as usize),
        }
    }

    /// The scale of a row.
    #[inline(always)]
    pub(crate) fn scale(&self, row: u32) -> f32 {
        match self {
            Self::Codes(codes) => codes.scale(row as usize),
            #[cfg(feature = "files")]
            Self::Mapped(codes) => codes.scale(row as usize),
        }
    }

    /// The scale of all rows, if they share one.
    pub(crate) fn shared_scale(&self) -> Option<f32> {
        let first = self.scale(0);
        let rows = 0..self.row_count() as u32;
        let are_equal = rows.into_iter().all(|row| self.scale(row).to_bits() == first.to_bits());
        are_equal.then_some(first)
    }

    /// The region of a row, by the model that made these codes.
    pub(crate) fn region(&self, model: &Model, row: u32) -> usize {
        let mixture = model.mixture();
        mixture.map_or(0, |mixture| mixture.region_of(self.packed(row)))
    }

    /// A copy of some rows; none without rows.
    pub(crate) fn select(&self, rows: impl Iterator<Item = u32>) -> Option<Codes> {
        let rows = rows.map(|row| (self.packed(row), self.scale(row)));
        Codes::of_rows(self.config(), self.fingerprint(), rows)
    }

    /// A copy of consecutive rows; none without rows.
    pub(crate) fn range(&self, rows: Range<usize>) -> Option<Codes> {
        self.select(rows.start as u32..rows.end as u32)
    }

    /// A copy of these rows and then those of others of the same model.
    pub(crate) fn merged(&self, next: &Self) -> Result<Codes> {
        let dim = self.config().dim;
        let all = |records: &Self| records.range(0..records.row_count());
        let empty = || Error::EmptyBatch { dim };
        let mut codes = all(self).ok_or_else(empty)?;
        codes.append(&all(next).ok_or_else(empty)?)?;
        Ok(codes)
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Codes(codes) => (codes.as_bytes().len() + size_of_val(codes.scales())) as u64,
            #[cfg(feature = "files")]
            Self::Mapped(_) => 0,
        }
    }
}
