//! How many bytes an encoded row takes.

use super::builders::{BitsConfig, Int8Config};
use super::config::ModelConfig;
use super::options::RowNorm;

/// Bytes of the scale that is stored with every row.
pub(crate) const SCALE_BYTES: usize = size_of::<f32>();

impl ModelConfig {
    /// Bytes of an encoded row, its scale included.
    #[must_use]
    pub fn code_size(&self) -> usize {
        self.packed_size().saturating_add(if self.has_row_scales() { SCALE_BYTES } else { 0 })
    }

    /// Bytes of a row as `f32` over the bytes of its code, its scale included.
    #[must_use]
    pub fn compression_ratio(&self) -> f32 {
        (self.dim as f64 * size_of::<f32>() as f64 / self.code_size() as f64) as f32
    }

    /// Bytes of a row's packed codes, without its scale.
    pub(crate) fn packed_size(&self) -> usize {
        match self.bytes() {
            None => self.latent_dim,
            Some(bytes) if self.has_row_scales() => bytes.saturating_sub(SCALE_BYTES),
            Some(bytes) => bytes,
        }
    }

    /// Whether every row has a scale of its own.
    pub(crate) fn has_row_scales(&self) -> bool {
        self.row_norm().is_none_or(|row_norm| row_norm == RowNorm::Store)
    }
}

impl BitsConfig {
    /// Bytes of an encoded row, its scale included: the budget. A fit may need fewer.
    #[must_use]
    pub fn code_size(&self) -> usize {
        ModelConfig::from(self.clone()).code_size()
    }

    /// Bytes of a row as `f32` over the bytes of its code, its scale included.
    #[must_use]
    pub fn compression_ratio(&self) -> f32 {
        ModelConfig::from(self.clone()).compression_ratio()
    }
}

impl Int8Config {
    /// Bytes of an encoded row: one per latent, and four for the row's scale.
    #[must_use]
    pub fn code_size(&self) -> usize {
        ModelConfig::from(self.clone()).code_size()
    }

    /// Bytes of a row as `f32` over the bytes of its code, its scale included.
    #[must_use]
    pub fn compression_ratio(&self) -> f32 {
        ModelConfig::from(self.clone()).compression_ratio()
    }
}
