//! The codes of rows, wherever they are.

use std::ops::Range;

use super::listing::Rows;
use crate::codes::Codes;
#[cfg(feature = "files")]
use crate::codes::MappedCodes;
use crate::fingerprint::Fingerprint;
use crate::model::{Model, ModelConfig};

/// Codes in memory or in a file.
#[derive(Debug)]
pub(crate) enum Records {
    Codes(Codes),
    #[cfg(feature = "files")]
    Mapped(MappedCodes),
}

/// The packed codes of rows, which lie `stride` bytes apart.
#[derive(Clone, Copy)]
pub(crate) struct PackedRows<'a> {
    bytes: &'a [u8],
    stride: usize,
    size: usize,
}

impl<'a> PackedRows<'a> {
    /// Rows of `size` bytes each, which begin `stride` bytes apart.
    pub(crate) fn new(bytes: &'a [u8], stride: usize, size: usize) -> Self {
        Self { bytes, stride, size }
    }

    /// Bytes from the begin of a row to that of the next.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Bytes of a row.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    #[inline(always)]
    pub(crate) fn row(&self, row: u32) -> &'a [u8] {
        &self.bytes[self.start(row)..][..self.size]
    }

    /// Where a row's codes begin among all bytes.
    #[inline(always)]
    pub(crate) fn start(&self, row: u32) -> usize {
        row as usize * self.stride
    }

    /// The codes of all rows, and what lies between them.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads all memory of some rows once, in order, so that it is in the second cache afterwards.
    pub(crate) fn touch(&self, rows: Range<u32>) {
        let bytes = &self.bytes[rows.start as usize * self.stride..rows.end as usize * self.stride];
        let lines = bytes.iter().step_by(64).fold(0, |all: u8, byte| all ^ byte);
        std::hint::black_box(lines);
    }
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

    /// Where the packed codes of all rows lie.
    pub(crate) fn packed_rows(&self) -> PackedRows<'_> {
        match self {
            Self::Codes(codes) => {
                let size = codes.config().packed_size();
                PackedRows::new(codes.as_bytes(), size, size)
            }
            #[cfg(feature = "files")]
            Self::Mapped(codes) => {
                let (bytes, stride) = codes.as_records();
                PackedRows::new(bytes, stride, codes.config().packed_size())
            }
        }
    }

    /// Writes the scales of some rows.
    #[inline(always)]
    pub(crate) fn set_scales(&self, rows: &Rows<'_>, scales: &mut Vec<f32>) {
        scales.clear();
        match self {
            Self::Codes(codes) => match codes.scales() {
                [shared] => scales.resize(rows.len(), *shared),
                each => rows.gather(each, scales),
            },
            #[cfg(feature = "files")]
            Self::Mapped(codes) => rows.each(|row| scales.push(codes.scale(row as usize))),
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
        let mut rows = 0..self.row_count() as u32;
        let are_equal = rows.all(|row| self.scale(row).to_bits() == first.to_bits());
        are_equal.then_some(first)
    }

    /// The region of a row, by the model that made these codes.
    pub(crate) fn region(&self, model: &Model, row: u32) -> usize {
        let mixture = model.mixture();
        mixture.map_or(0, |mixture| mixture.region_of(self.packed(row)))
    }

    /// A copy of some rows; none without rows.
    pub(crate) fn select(&self, rows: impl Iterator<Item = u32>) -> Option<Codes> {
        Codes::of_rows(self.config(), self.fingerprint(), self.rows(rows))
    }

    /// A copy of these rows and then those of others of the same model; none without rows.
    pub(crate) fn merged(&self, next: &Self) -> Option<Codes> {
        let all = |records: &Self| 0..records.row_count() as u32;
        let rows = self.rows(all(self)).chain(next.rows(all(next)));
        Codes::of_rows(self.config(), self.fingerprint(), rows)
    }

    /// The packed codes and the scales of some rows.
    fn rows(&self, rows: impl Iterator<Item = u32>) -> impl Iterator<Item = (&[u8], f32)> {
        rows.map(|row| (self.packed(row), self.scale(row)))
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
