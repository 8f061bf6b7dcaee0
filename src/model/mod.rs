//! The learned codec as plain data: configuration and weights, no engine.

mod builders;
mod config;
#[cfg(feature = "files")]
mod files;
mod fingerprint;
#[cfg(feature = "fit")]
mod fit;
mod options;
mod random;
mod raw;
mod weights;

use std::fmt;
use std::sync::Arc;

pub use builders::{BitsConfig, Int8Config};
pub use config::ModelConfig;
#[cfg(feature = "files")]
pub(crate) use files::ConfigRecord;
#[cfg(feature = "fit")]
pub use fit::{CancelToken, FitOptions, FitReport, FitStage};
pub use options::{Activation, Coding, RowNorm};
pub use weights::Weights;

use crate::bit_codes::BitPlan;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

/// A learned encoder and decoder.
///
/// For a row `x` of `dim` values the latent is `z = We x + be`, then `max(z, 0)` if the model has
/// a ReLU, then `z / |z|` if it is normalised. The row's scale is `max |z| / 127`, times `|z|`
/// where the latent was normalised; its codes are `z / scale` rounded half to even; and what
/// decodes is `Wd (codes * scale) + bd`. A latent whose scale is below the smallest normal `f32`
/// counts as zero: scale 0, codes 0, decoding to `bd`.
///
/// A model with a budget of bytes has a bit code in place of codes; `docs/format.md` gives
/// it. Its rows keep their norm as a scale, or none: with `s` that scale, or 1, the latent is
/// `We x / s + be`, and what decodes is `s (Wd q + bd)` for the values `q` of the bit code.
///
/// Immutable and cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    config: ModelConfig,
    weights: Weights,
    /// There if and only if the configuration has a budget of bytes.
    plan: Option<BitPlan>,
    fingerprint: Fingerprint,
}

impl Model {
    /// A model of these weights: `encoder [latent, dim]` and `decoder [dim, latent]`, row-major,
    /// with optional biases of `latent` and `dim` values.
    ///
    /// # Errors
    /// Sizes of zero, tensors of the wrong length, weights that are not finite; a budget of bytes,
    /// which only a fit can spend.
    pub fn from_weights(config: impl Into<ModelConfig>, weights: Weights) -> Result<Self> {
        let config = config.into();
        if let Some(value) = config.bytes() {
            let remedy = "weights alone do not tell where the bits go: use Model::fit";
            return Err(Error::InvalidConfig { field: "bytes", value, remedy });
        }
        Self::from_parts(config, weights, None)
    }

    fn from_parts(config: ModelConfig, weights: Weights, plan: Option<BitPlan>) -> Result<Self> {
        config.validate()?;
        weights.validate(&config)?;
        if let Some(plan) = &plan {
            let bad = |what, expected, found| Err(Error::BitPlanLength { what, expected, found });
            if plan.latents() != config.latent_dim {
                return bad("latents", config.latent_dim, plan.latents());
            }
            if plan.code_bytes() != config.packed_size() {
                return bad("bytes per row", config.packed_size(), plan.code_bytes());
            }
        }
        let fingerprint = fingerprint::fingerprint_of(&config, &weights, plan.as_ref());
        Ok(Self(Arc::new(Inner { config, weights, plan, fingerprint })))
    }

    /// How latents become bits, in a model with a budget of bytes.
    pub(crate) fn plan(&self) -> Option<&BitPlan> {
        self.0.plan.as_ref()
    }

    /// Bits of each latent in a model with a budget of bytes; none in others.
    pub fn bits_per_latent(&self) -> Option<&[u8]> {
        self.plan().map(BitPlan::bits_per_latent)
    }

    /// Shape and options.
    pub fn config(&self) -> &ModelConfig {
        &self.0.config
    }

    /// The numbers.
    pub fn weights(&self) -> &Weights {
        &self.0.weights
    }

    /// What codes carry to know their model again: a hash of configuration and weights.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("config", self.config())
            .field("fingerprint", &self.fingerprint().to_string())
            .finish_non_exhaustive()
    }
}
