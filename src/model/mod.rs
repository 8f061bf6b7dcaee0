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
mod sizes;
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
/// With 8-bit codes, a row `x` of `dim` values is encoded and decoded so:
///
/// ```text
/// z       = We x + be                 latent, [latent_dim]
/// z       = max(z, 0)                 with a ReLU
/// scale   = max |z| / 127             (1)
/// codes   = round(z / scale)          half to even
/// decoded = Wd (codes * scale) + bd
/// ```
///
/// 1. A scale below the smallest normal `f32` is 0, and so are its codes. The row decodes to `bd`.
///    With a normalised latent, codes and scale are the same, because the norm is folded into the
///    scale. Only [`encode_latent`](crate::Codec::encode_latent) then gives `z / |z|`.
///
/// With bit codes, `s` is the row's norm if the model stores norms, and 1 otherwise:
///
/// ```text
/// z       = We x / s + be
/// decoded = s (Wd q + bd)             q: the values that the bit code represents
/// ```
///
/// `docs/format.md` describes the bit code.
///
/// A model is immutable and cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    config: ModelConfig,
    weights: Weights,
    /// There if and only if the configuration has bit codes.
    plan: Option<BitPlan>,
    fingerprint: Fingerprint,
}

impl Model {
    /// Makes a model of weights: `encoder [latent, dim]` and `decoder [dim, latent]`, row-major,
    /// with optional biases of `latent` and `dim` values.
    ///
    /// # Errors
    /// A size is zero, a tensor has the wrong length, a weight is not finite, or the configuration
    /// has bit codes, whose tables only a fit can make.
    pub fn from_weights(config: impl Into<ModelConfig>, weights: Weights) -> Result<Self> {
        let config = config.into();
        if let Some(value) = config.bytes() {
            let remedy = "a fit alone can choose the bits of each latent: use Model::fit";
            return Err(Error::InvalidConfig { field: "bytes", value, remedy });
        }
        Self::from_parts(config, weights, None)
    }

    /// A model of these parts, for tests of what is made from plans.
    #[cfg(test)]
    pub(crate) fn of_plan(
        config: impl Into<ModelConfig>,
        weights: Weights,
        plan: BitPlan,
    ) -> Result<Self> {
        let config = config.into().with_latent_dim(plan.latents());
        Self::from_parts(config, weights, Some(plan))
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

    /// How latents become bits, in a model with bit codes.
    pub(crate) fn plan(&self) -> Option<&BitPlan> {
        self.0.plan.as_ref()
    }

    /// Bits of each latent, `[latent_dim]`, in a model with bit codes; none in others.
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

    /// The hash of configuration and weights by which codes know their model.
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
