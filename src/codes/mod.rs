//! A batch of encoded rows as plain data.

mod edit;
#[cfg(feature = "files")]
mod files;

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "files")]
pub(crate) use files::MappedCodes;
#[cfg(feature = "files")]
pub use files::{CodesReader, CodesWriter};

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::model::{Model, ModelConfig};

/// Encoded rows: packed codes, their scales, and the fingerprint of the model that made them.
///
/// | | [`as_bytes`](Self::as_bytes) | [`scales`](Self::scales) |
/// |---|---|---|
/// | 8-bit codes | `[rows, latent_dim]` signed bytes | `[rows]`, or `[1]` if all rows share one scale |
/// | bit codes with norms | `[rows, code_size - 4]` bytes | `[rows]`, the norms of the rows |
/// | bit codes without norms | `[rows, code_size]` bytes | `[1]`, which is 1 |
///
/// Clones share the data. A clone copies the data only when [`append`](Self::append) or
/// [`assume_model`](Self::assume_model) changes it.
#[derive(Clone, PartialEq)]
#[must_use]
pub struct Codes(Arc<Inner>);

#[derive(Clone, PartialEq)]
struct Inner {
    config: ModelConfig,
    model: Fingerprint,
    rows: usize,
    /// Bytes of a row in `packed`.
    row_bytes: usize,
    packed: Vec<u8>,
    scales: Scales,
}

/// The scales of a batch. There is no third kind: files have these two.
#[derive(Clone, Debug, PartialEq)]
pub enum Scales {
    /// One scale per row.
    PerRow(Vec<f32>),
    /// One scale for all rows, stored once.
    Uniform(f32),
}

impl Scales {
    /// One value per row, or a single value if all rows share it.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        match self {
            Self::PerRow(scales) => scales,
            Self::Uniform(scale) => std::slice::from_ref(scale),
        }
    }
}

impl From<Vec<f32>> for Scales {
    fn from(scales: Vec<f32>) -> Self {
        Self::PerRow(scales)
    }
}

impl From<f32> for Scales {
    fn from(scale: f32) -> Self {
        Self::Uniform(scale)
    }
}

impl Codes {
    /// Codes from their parts, as made by `model`: `packed` is `[rows, latent_dim]` signed bytes,
    /// `scales` a `Vec<f32>` of one value per row, or one `f32` for all rows.
    ///
    /// # Errors
    /// No rows, a number of bytes that is no multiple of the latent dimension, another number of
    /// scales than rows, a scale that is negative or not finite.
    pub fn from_parts(model: &Model, packed: Vec<u8>, scales: impl Into<Scales>) -> Result<Self> {
        let config = model.config().clone();
        let scales: Scales = scales.into();
        let row_len = config.packed_size();
        if packed.is_empty() {
            return Err(Error::EmptyBatch { dim: config.dim });
        }
        if !packed.len().is_multiple_of(row_len) {
            return Err(Error::FlatLength { what: "codes", len: packed.len(), row_len });
        }
        let rows = packed.len() / row_len;
        if let Scales::PerRow(scales) = &scales
            && scales.len() != rows
        {
            let (what, found) = ("scales", scales.len());
            let remedy = "pass a scale for each row, or one number for all rows";
            return Err(Error::CodesShape { what, expected: rows, found, remedy });
        }
        check_scales(0, scales.as_slice())?;
        Ok(Self::from_checked(config, model.fingerprint(), packed, scales))
    }

    /// What an engine of this crate has just written, nothing to check but overflow. The sign of a scale
    /// says whether the row is clipped, and does not stay.
    pub(crate) fn from_engine(
        model: &Model,
        packed: Vec<u8>,
        mut scales: Vec<f32>,
    ) -> Result<Self> {
        if let Some(row) = scales.iter().position(|s| !s.is_finite()) {
            return Err(Error::Overflow { row });
        }
        let (config, model) = (model.config().clone(), model.fingerprint());
        let scales = match config.has_row_scales() {
            true => {
                scales.iter_mut().for_each(|scale| *scale = scale.abs());
                Scales::PerRow(scales)
            }
            false => Scales::Uniform(1.0),
        };
        Ok(Self::from_checked(config, model, packed, scales))
    }

    /// Codes of parts that are known to fit each other.
    fn from_checked(
        config: ModelConfig,
        model: Fingerprint,
        packed: Vec<u8>,
        scales: Scales,
    ) -> Self {
        let rows = packed.len() / config.packed_size();
        let scales = match scales {
            // One scale for one row is that row's own.
            Scales::Uniform(scale) if rows == 1 => Scales::PerRow(vec![scale]),
            scales => scales,
        };
        let row_bytes = config.packed_size();
        Self(Arc::new(Inner { config, model, rows, row_bytes, packed, scales }))
    }

    /// Number of encoded rows.
    pub fn row_count(&self) -> usize {
        self.0.rows
    }

    /// Bytes of a row, its scale included.
    pub fn code_size(&self) -> usize {
        self.config().code_size()
    }

    /// The packed codes of all rows, without scales: `[rows, latent_dim]` signed bytes, or the
    /// rows' bit codes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.packed
    }

    /// The scales: one per row, or a single one that all rows share.
    pub fn scales(&self) -> &[f32] {
        self.0.scales.as_slice()
    }

    /// The scale of a row.
    #[inline(always)]
    pub(crate) fn scale(&self, row: usize) -> f32 {
        match &self.0.scales {
            Scales::PerRow(scales) => scales[row],
            Scales::Uniform(scale) => *scale,
        }
    }

    /// The packed codes of a row.
    #[inline(always)]
    pub(crate) fn packed(&self, row: usize) -> &[u8] {
        let Inner { row_bytes, packed, .. } = &*self.0;
        &packed[row * row_bytes..][..*row_bytes]
    }

    /// Shape and options of the model that made these codes.
    pub fn config(&self) -> &ModelConfig {
        &self.0.config
    }

    /// The model that made these codes.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.model
    }

    /// Declares that the codes belong to `model`. The caller answers for what they decode to.
    ///
    /// # Errors
    /// The model's codes have another size.
    pub fn assume_model(mut self, model: &Model) -> Result<Self> {
        let (expected, found) = (model.config().packed_size(), self.config().packed_size());
        if expected != found {
            let (what, remedy) = ("bytes per row", "pass a model whose codes have this size");
            return Err(Error::CodesShape { what, expected, found, remedy });
        }
        let inner = Arc::make_mut(&mut self.0);
        inner.config = model.config().clone();
        inner.model = model.fingerprint();
        Ok(self)
    }

    /// Fails unless `model` made these codes. Both the fingerprint and the whole configuration must
    /// be the model's: a file may claim any two of them.
    pub(crate) fn check_model(&self, model: &Model) -> Result<()> {
        self.check_origin(model.config(), model.fingerprint())
    }

    fn check_origin(&self, config: &ModelConfig, model: Fingerprint) -> Result<()> {
        check_origin((self.config(), self.fingerprint()), (config, model))
    }
}

/// Fails unless what codes say of their model is what the model says.
fn check_origin(
    codes: (&ModelConfig, Fingerprint),
    model: (&ModelConfig, Fingerprint),
) -> Result<()> {
    if codes.1 != model.1 {
        return Err(Error::OtherModel { expected: model.1, found: codes.1 });
    }
    match codes.0.difference(model.0) {
        Some((option, found, expected)) => Err(Error::OtherConfig { option, expected, found }),
        None => Ok(()),
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes")
            .field("rows", &self.row_count())
            .field("code_size", &self.code_size())
            .field("model", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// Fails on a scale that is negative or not finite; the first one is scale number `first`.
fn check_scales(first: usize, scales: &[f32]) -> Result<()> {
    match scales.iter().position(|s| !(s.is_finite() && *s >= 0.0)) {
        Some(at) => Err(Error::InvalidScale { row: first + at, value: scales[at] }),
        None => Ok(()),
    }
}
