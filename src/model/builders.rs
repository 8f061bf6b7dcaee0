//! Builders of a configuration, one for each kind of code, so that an option of one kind cannot be
//! set on the other.

use super::options::{Activation, BitFormat, Coding, Objective, Regions, RowNorm};

/// A configuration of bit codes, made by [`ModelConfig::bits`](crate::ModelConfig::bits).
///
/// Everything that takes a configuration takes this builder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct BitsConfig {
    pub(super) dim: usize,
    pub(super) bytes: usize,
    pub(super) coding: Coding,
    pub(super) row_norm: RowNorm,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) regions: Regions,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) objective: Objective,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) format: BitFormat,
}

impl BitsConfig {
    pub(super) fn new(dim: usize, bytes: usize) -> Self {
        Self {
            dim,
            bytes,
            coding: Coding::default(),
            row_norm: RowNorm::default(),
            regions: Regions::default(),
            objective: Objective::default(),
            format: BitFormat::default(),
        }
    }

    /// Sets how latents become bits. The default is a trellis of 256 states.
    pub fn with_coding(mut self, coding: Coding) -> Self {
        self.coding = coding;
        self
    }

    /// Sets whether a row's norm is stored. The default is [`RowNorm::Auto`].
    pub fn with_row_norm(mut self, row_norm: RowNorm) -> Self {
        self.row_norm = row_norm;
        self
    }

    /// The same with codes of format 2, for models of files.
    #[cfg(any(test, feature = "files"))]
    pub(crate) fn in_v2(mut self) -> Self {
        self.format = BitFormat::V2;
        self
    }

    /// Sets the number of regions. The default is [`Regions::Auto`].
    pub fn with_regions(mut self, regions: Regions) -> Self {
        self.regions = regions;
        self
    }

    /// Sets what the fit optimises. The default is [`Objective::Search`].
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }
}

/// A configuration of 8-bit codes, made by [`ModelConfig::int8`](crate::ModelConfig::int8) or a preset.
///
/// Everything that takes a configuration takes this builder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct Int8Config {
    pub(super) dim: usize,
    pub(super) latent_dim: usize,
    pub(super) activation: Activation,
    pub(super) normalized_latent: bool,
}

impl Int8Config {
    pub(super) fn new(dim: usize, latent_dim: usize) -> Self {
        Self { dim, latent_dim, activation: Activation::default(), normalized_latent: false }
    }

    /// Sets what follows the encoder's projection. The default is [`Activation::Identity`].
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Sets whether the latent is divided by its L2 norm. The default is that it is not. The norm
    /// is folded into the row's scale, so decoding restores the row's magnitude.
    pub fn with_normalized_latent(mut self, normalized: bool) -> Self {
        self.normalized_latent = normalized;
        self
    }
}
