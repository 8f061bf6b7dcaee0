//! The learned codec as plain data: configuration and weights, no engine.

mod builders;
mod config;
mod facts;
#[cfg(feature = "files")]
mod files;
mod fingerprint;
#[cfg(feature = "fit")]
mod fit;
mod layer;
mod options;
mod parts;
mod random;
mod raw;
mod sizes;
mod weights;

use std::fmt;
use std::sync::{Arc, OnceLock};

pub use builders::{BitsConfig, Int8Config};
pub use config::ModelConfig;
pub use facts::FitFacts;
#[cfg(feature = "files")]
pub(crate) use files::ConfigRecord;
#[cfg(feature = "fit")]
pub use fit::{CancelToken, FitOptions, FitReport, FitStage, FitWarning};
pub(crate) use layer::{Layer, RegionLayers};
pub use options::{Activation, Coding, Objective, Regions, RowNorm};
pub use weights::Weights;

use crate::bit_codes::BitPlan;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::mixture::{Mixture, Region};

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
/// With bit codes, a row belongs to a region `r` with a centroid `c` and an orthonormal basis `D`.
/// `s` is the row's norm if the model stores norms, and 1 otherwise:
///
/// ```text
/// z       = D_r^T (x / s - c_r)
/// decoded = s (D_r q + c_r)           q: the values that the bit code represents
/// ```
///
/// `docs/format.md` describes the bit code.
///
/// A model is immutable and cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    config: ModelConfig,
    numbers: Numbers,
    fingerprint: Fingerprint,
    facts: Option<FitFacts>,
    /// Of each region, once it is asked for: whether its decoder keeps lengths.
    orthonormal: Vec<OnceLock<bool>>,
}

/// What a model computes with.
enum Numbers {
    /// A linear layer each way. The plan is there if and only if the configuration has bit codes, of
    /// format 2.
    Layers {
        weights: Weights,
        plan: Option<BitPlan>,
        /// The encoder's bias for rows without the decoder's bias, where that is better.
        centered_bias: Option<Vec<f32>>,
    },
    /// Bit codes of format 3.
    Mixture(Mixture),
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
        Self::from_parts(config, weights, None, None)
    }

    pub(crate) fn from_parts(
        config: ModelConfig,
        weights: Weights,
        plan: Option<BitPlan>,
        facts: Option<FitFacts>,
    ) -> Result<Self> {
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
        let centered_bias = weights.centered_bias();
        let numbers = Numbers::Layers { weights, plan, centered_bias };
        Ok(Self::from_checked(config, numbers, facts))
    }

    /// A model of bit codes of format 3.
    pub(crate) fn from_mixture(
        config: ModelConfig,
        mixture: Mixture,
        facts: Option<FitFacts>,
    ) -> Result<Self> {
        let config = config.with_latent_dim(mixture.latent_dim());
        config.validate()?;
        let bad = |what, expected, found| Err(Error::BitPlanLength { what, expected, found });
        if mixture.regions().len() != config.region_count() {
            return bad("regions", config.region_count(), mixture.regions().len());
        }
        for region in mixture.regions() {
            if region.plan.code_bytes() != config.packed_size() {
                return bad("bytes per row", config.packed_size(), region.plan.code_bytes());
            }
        }
        Ok(Self::from_checked(config, Numbers::Mixture(mixture), facts))
    }

    fn from_checked(config: ModelConfig, numbers: Numbers, facts: Option<FitFacts>) -> Self {
        let fingerprint = match &numbers {
            Numbers::Layers { weights, plan, .. } => {
                fingerprint::of_layers(&config, weights, plan.as_ref(), facts.as_ref())
            }
            Numbers::Mixture(mixture) => fingerprint::of_mixture(&config, mixture, facts.as_ref()),
        };
        let orthonormal = vec![OnceLock::new(); config.region_count()];
        Self(Arc::new(Inner { config, numbers, fingerprint, facts, orthonormal }))
    }

    /// The same model with what its fit saw. It has no clones yet.
    #[cfg(feature = "fit")]
    fn with_facts(self, facts: FitFacts) -> Self {
        let inner = Arc::into_inner(self.0).expect("a new model has no clones");
        Self::from_checked(inner.config, inner.numbers, Some(facts))
    }

    /// The mixture of a model of bit codes of format 3.
    pub(crate) fn mixture(&self) -> Option<&Mixture> {
        match &self.0.numbers {
            Numbers::Layers { .. } => None,
            Numbers::Mixture(mixture) => Some(mixture),
        }
    }

    /// The layers of a region. Models without bit codes, and of bit codes of format 2, have one region.
    pub(crate) fn region(&self, number: usize) -> RegionLayers<'_> {
        let &ModelConfig { dim, latent_dim, .. } = self.config();
        match &self.0.numbers {
            Numbers::Layers { weights, plan, centered_bias } => RegionLayers {
                centroid: weights.decoder_bias.as_deref().filter(|_| centered_bias.is_some()),
                encoder: Layer {
                    weights: &weights.encoder,
                    transposed: false,
                    bias: centered_bias.as_deref().or(weights.encoder_bias.as_deref()),
                    inputs: dim,
                    outputs: latent_dim,
                },
                decoder: Layer {
                    weights: &weights.decoder,
                    transposed: false,
                    bias: weights.decoder_bias.as_deref(),
                    inputs: latent_dim,
                    outputs: dim,
                },
                plan: plan.as_ref(),
            },
            Numbers::Mixture(mixture) => {
                let Region { centroid, basis, plan } = &mixture.regions()[number];
                let (weights, latents) = (basis.as_slice(), plan.latents());
                RegionLayers {
                    centroid: Some(centroid),
                    encoder: Layer {
                        weights,
                        transposed: false,
                        bias: None,
                        inputs: dim,
                        outputs: latents,
                    },
                    decoder: Layer {
                        weights,
                        transposed: true,
                        bias: Some(centroid),
                        inputs: latents,
                        outputs: dim,
                    },
                    plan: Some(plan),
                }
            }
        }
    }

    /// Number of regions: 1 in a model of 8-bit codes.
    pub fn region_count(&self) -> usize {
        self.mixture().map_or(1, |mixture| mixture.regions().len())
    }

    /// Whether decoded rows of a region, without its centroid, are as long as their latents. It takes a product of
    /// matrices to find out, once.
    pub(crate) fn has_orthonormal_decoder(&self, region: usize) -> bool {
        *self.0.orthonormal[region].get_or_init(|| self.region(region).decoder.is_orthonormal())
    }

    /// Fails for a model of several regions: latents alone do not say which region they belong to.
    pub(crate) fn expect_one_region(&self, remedy: &'static str) -> Result<()> {
        match self.region_count() {
            1 => Ok(()),
            value => Err(Error::InvalidConfig { field: "regions", value, remedy }),
        }
    }

    /// How latents of a region become bits, in a model with bit codes.
    pub(crate) fn plan(&self, region: usize) -> Option<&BitPlan> {
        self.region(region).plan
    }

    /// Bits of each latent of a region, in a model with bit codes; none in others. Two neighbouring
    /// latents may share one or three bits.
    ///
    /// # Panics
    /// The model has fewer regions.
    pub fn bits_per_latent(&self, region: usize) -> Option<Vec<f32>> {
        let plan = self.plan(region)?;
        Some(plan.latent_rates().map(|rate| rate.bits_per_latent()).collect())
    }

    /// Shape and options.
    pub fn config(&self) -> &ModelConfig {
        &self.0.config
    }

    /// The weights of a model that has a single linear layer each way: a model of 8-bit codes, or
    /// one of bit codes that was written by a version before 0.2.
    pub fn weights(&self) -> Option<&Weights> {
        match &self.0.numbers {
            Numbers::Layers { weights, .. } => Some(weights),
            Numbers::Mixture(_) => None,
        }
    }

    /// What the fit of the model saw; none if it was made from weights, or before models kept it.
    pub fn fit_facts(&self) -> Option<&FitFacts> {
        self.0.facts.as_ref()
    }

    /// Whether codes are of rows of norm 1: norms are stored and divided out, or all rows of the fit had
    /// norm 1.
    pub(crate) fn codes_rows_of_norm_one(&self) -> bool {
        let are_divided_out = self.config().bytes().is_some() && self.config().has_row_scales();
        are_divided_out || self.fit_facts().is_some_and(FitFacts::has_norms_of_one)
    }

    /// The facts, or an error.
    pub(crate) fn expect_facts(&self) -> Result<&FitFacts> {
        self.fit_facts().ok_or(Error::NoFitFacts)
    }

    /// The hash of configuration, weights and [`FitFacts`] by which codes know their model.
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
