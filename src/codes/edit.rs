//! Parts of a batch and batches put together.

use std::ops::Range;
use std::sync::Arc;

use super::{Codes, Inner, Scales};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::memory;
use crate::model::{Model, ModelConfig};

impl Codes {
    /// Copies the codes of these rows, in this order. A row may be named several times.
    ///
    /// # Errors
    /// No rows are named, or a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::EmptyBatch { dim: self.config().dim });
        }
        if let Some(&row) = rows.iter().find(|row| **row >= self.row_count()) {
            return Err(Error::RowOutOfRange { row, rows: self.row_count() });
        }
        let row_bytes = self.config().packed_size();
        let mut packed = Vec::with_capacity(rows.len() * row_bytes);
        for &row in rows {
            packed.extend_from_slice(&self.as_bytes()[row * row_bytes..][..row_bytes]);
        }
        let scales = match &self.0.scales {
            Scales::Uniform(scale) => Scales::Uniform(*scale),
            Scales::PerRow(scales) => Scales::PerRow(rows.iter().map(|row| scales[*row]).collect()),
        };
        Ok(self.with_rows(packed, scales))
    }

    /// Copies the codes of consecutive rows.
    ///
    /// # Errors
    /// The range is empty, or ends beyond the last row.
    pub fn slice(&self, rows: Range<usize>) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::EmptyBatch { dim: self.config().dim });
        }
        if rows.end > self.row_count() {
            return Err(Error::RowOutOfRange { row: rows.end - 1, rows: self.row_count() });
        }
        let row_bytes = self.config().packed_size();
        let packed = self.as_bytes()[rows.start * row_bytes..rows.end * row_bytes].to_vec();
        let scales = match &self.0.scales {
            Scales::Uniform(scale) => Scales::Uniform(*scale),
            Scales::PerRow(scales) => Scales::PerRow(scales[rows].to_vec()),
        };
        Ok(self.with_rows(packed, scales))
    }

    /// Appends the rows of another batch of the same model. Rows of one scale keep it: where the
    /// two batches differ in their scales, each row gets a scale of its own.
    ///
    /// The bytes are moved only when the memory grows, as in a `Vec`. If clones share these codes,
    /// the first append copies them once.
    ///
    /// # Errors
    /// The other codes were made by another model. These codes are then as they were.
    pub fn append(&mut self, other: &Self) -> Result<()> {
        other.check_origin(self.config(), self.fingerprint())?;
        let shared = self.shared_scale(other);
        // `other` may be a clone of these codes, and then stays as it is.
        let inner = Arc::make_mut(&mut self.0);
        inner.scales = match shared {
            Some(scale) => Scales::Uniform(scale),
            None => {
                let mut scales = std::mem::replace(&mut inner.scales, Scales::Uniform(0.0))
                    .into_per_row(inner.rows);
                match &other.0.scales {
                    Scales::PerRow(more) => scales.extend_from_slice(more),
                    Scales::Uniform(scale) => scales.resize(inner.rows + other.row_count(), *scale),
                }
                Scales::PerRow(scales)
            }
        };
        inner.packed.extend_from_slice(other.as_bytes());
        inner.rows += other.row_count();
        Ok(())
    }

    /// The packed codes and the scales, as [`Codes::from_parts`] takes them. If clones share these
    /// codes, the parts are copies.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Scales) {
        let Inner { packed, scales, .. } = Arc::unwrap_or_clone(self.0);
        (packed, scales)
    }

    /// Codes of rows that `model` encoded, of their records: `[rows, code_size]` bytes, as [`records`](Self::records)
    /// gives them.
    ///
    /// # Errors
    /// No rows, a number of bytes that is no multiple of the model's code size, a scale that is negative or not finite.
    pub fn from_records(model: &Model, records: &[u8]) -> Result<Self> {
        let config = model.config();
        if !config.has_row_scales() {
            return Self::from_parts(model, records.to_vec(), 1.0);
        }
        let (row_len, row_bytes) = (config.code_size(), config.packed_size());
        if !records.len().is_multiple_of(row_len) {
            return Err(Error::FlatLength { what: "records", len: records.len(), row_len });
        }
        let rows = records.len() / row_len;
        let mut packed = memory::reserved("packed codes", &[rows, row_bytes])?;
        let mut scales = memory::reserved("scales", &[rows])?;
        for record in records.chunks_exact(row_len) {
            let (codes, scale) = record.split_at(row_bytes);
            packed.extend_from_slice(codes);
            scales.push(bytemuck::pod_read_unaligned::<f32>(scale));
        }
        Self::from_parts(model, packed, scales)
    }

    /// The records of all rows, `[rows, code_size]` bytes: a row's packed codes, and then the four bytes of its scale
    /// where the model stores scales, as codes files have them (docs/format.md). A row is known by its record alone.
    ///
    /// # Errors
    /// Too little memory, or a scale that the record of this model has no place for, as only
    /// [`from_parts`](Self::from_parts) can set one.
    pub fn records(&self) -> Result<Vec<u8>> {
        if self.config().has_row_scales() {
            let mut records = memory::reserved("records", &[self.row_count(), self.code_size()])?;
            for row in 0..self.row_count() {
                records.extend_from_slice(self.packed(row));
                records.extend_from_slice(&self.scale(row).to_le_bytes());
            }
            return Ok(records);
        }
        if self.scales().iter().any(|scale| *scale != 1.0) {
            let (what, found) = ("scales other than 1", self.scales().len());
            let remedy = "the records of a model without norms have no place for them";
            return Err(Error::CodesShape { what, expected: 0, found, remedy });
        }
        Ok(self.as_bytes().to_vec())
    }

    /// The one scale of the two batches together, if it is to be stored once. A batch of one row
    /// stores its scale as the row's own, and in a model without row scales that is 1.
    fn shared_scale(&self, other: &Self) -> Option<f32> {
        let single = |codes: &Self| match codes.scales() {
            [scale] => Some(*scale),
            _ => None,
        };
        let (left, right) = (single(self)?, single(other)?);
        let uniform = |codes: &Self| matches!(codes.0.scales, Scales::Uniform(_));
        let once = uniform(self) || uniform(other) || !self.config().has_row_scales();
        (once && left.to_bits() == right.to_bits()).then_some(left)
    }

    /// Copies rows of a model, given by their packed codes and scales; none without rows.
    pub(crate) fn of_rows<'a>(
        config: &ModelConfig,
        model: Fingerprint,
        rows: impl Iterator<Item = (&'a [u8], f32)>,
    ) -> Option<Self> {
        let (mut packed, mut scales) = (Vec::new(), Vec::new());
        for (codes, scale) in rows {
            packed.extend_from_slice(codes);
            scales.push(scale);
        }
        let first = *scales.first()?;
        let are_equal = scales.iter().all(|scale| scale.to_bits() == first.to_bits());
        let scales = if are_equal { Scales::Uniform(first) } else { Scales::PerRow(scales) };
        Some(Self::from_checked(config.clone(), model, packed, scales))
    }

    /// Other rows of the same model.
    fn with_rows(&self, packed: Vec<u8>, scales: Scales) -> Self {
        let Inner { config, model, .. } = &*self.0;
        Self::from_checked(config.clone(), *model, packed, scales)
    }
}

impl Scales {
    /// A scale for each of this many rows.
    fn into_per_row(self, rows: usize) -> Vec<f32> {
        match self {
            Self::PerRow(scales) => scales,
            Self::Uniform(scale) => vec![scale; rows],
        }
    }
}
