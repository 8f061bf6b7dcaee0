//! The shape and the options of a model.

use std::fmt;

use super::builders::{BitsConfig, Int8Config};
use super::options::{Activation, BitFormat, Coding, Objective, Regions, RowNorm};
use crate::bit_codes::Window;
use crate::error::{Error, Result};
use crate::mixture::{MAX_REGIONS, id_bits};

/// The shape and the options of a [`Model`](crate::Model).
///
/// There are two kinds of codes, and a builder for each:
///
/// | | a row becomes | choose |
/// |---|---|---|
/// | [`bits`](Self::bits) | a bit code within a budget of bytes | the bytes per row |
/// | [`int8`](Self::int8) | one byte per latent, and a scale | the number of latents |
///
/// ```
/// use vecodec::{Activation, Coding, ModelConfig};
///
/// let bits = ModelConfig::bits(384, 48).with_coding(Coding::Scalar);
/// assert_eq!(bits.compression_ratio(), 32.0);
/// let int8 = ModelConfig::int8(384, 64).with_activation(Activation::Relu);
/// assert_eq!(int8.code_size(), 64 + 4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ModelConfig {
    /// Values in a row.
    pub dim: usize,
    /// Values in a latent. With 8-bit codes it may exceed `dim`. With bit codes the fit chooses it:
    /// it is `dim`, the most that a fit can choose, until a model is fitted.
    pub latent_dim: usize,
    codes: CodeKind,
}

/// What a row's code is, with the options that this kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
enum CodeKind {
    /// A signed byte per latent and a scale per row.
    Int8 { activation: Activation, normalized_latent: bool },
    /// A budget of at most this many bytes per row, the bytes of the scale included.
    Bits {
        bytes: usize,
        coding: Coding,
        row_norm: RowNorm,
        #[cfg_attr(feature = "serde", serde(default))]
        regions: Regions,
        #[cfg_attr(feature = "serde", serde(default))]
        objective: Objective,
        #[cfg_attr(feature = "serde", serde(default))]
        format: BitFormat,
    },
}

impl From<Int8Config> for ModelConfig {
    fn from(config: Int8Config) -> Self {
        let Int8Config { dim, latent_dim, activation, normalized_latent } = config;
        Self { dim, latent_dim, codes: CodeKind::Int8 { activation, normalized_latent } }
    }
}

impl From<BitsConfig> for ModelConfig {
    fn from(config: BitsConfig) -> Self {
        let BitsConfig { dim, bytes, coding, row_norm, regions, objective, format } = config;
        let codes = CodeKind::Bits { bytes, coding, row_norm, regions, objective, format };
        Self { dim, latent_dim: dim, codes }
    }
}

/// Lets a model's configuration be passed on as it is.
impl From<&ModelConfig> for ModelConfig {
    fn from(config: &ModelConfig) -> Self {
        config.clone()
    }
}

impl ModelConfig {
    /// Bit codes of at most `bytes` bytes per row, for rows of `dim` values. The bytes are spent
    /// where the rows have variance: the fit chooses the number of latents and the bits of each.
    ///
    /// Invalid sizes are accepted here and refused where a model is made.
    pub fn bits(dim: usize, bytes: usize) -> BitsConfig {
        BitsConfig::new(dim, bytes)
    }

    /// 8-bit codes of `latent_dim` linear latents, for rows of `dim` values.
    ///
    /// Invalid sizes are accepted here and refused where a model is made.
    pub fn int8(dim: usize, latent_dim: usize) -> Int8Config {
        Int8Config::new(dim, latent_dim)
    }

    /// 64 latents, ReLU, normalised: 45 times smaller at 768 dimensions.
    pub fn high_compression(dim: usize) -> Int8Config {
        Self::int8(dim, 64).with_activation(Activation::Relu).with_normalized_latent(true)
    }

    /// 128 latents, ReLU: 23 times smaller at 768 dimensions.
    pub fn balanced(dim: usize) -> Int8Config {
        Self::int8(dim, 128).with_activation(Activation::Relu)
    }

    /// 384 dimensions to 64 latents, ReLU: for the MiniLM family of sentence encoders.
    pub fn minilm() -> Int8Config {
        Self::int8(384, 64).with_activation(Activation::Relu)
    }

    /// What follows the encoder's projection. Bit codes have linear latents:
    /// [`Activation::Identity`].
    #[must_use]
    pub fn activation(&self) -> Activation {
        match self.codes {
            CodeKind::Int8 { activation, .. } => activation,
            CodeKind::Bits { .. } => Activation::Identity,
        }
    }

    /// Whether the latent is divided by its L2 norm. It never is with bit codes.
    #[must_use]
    pub fn normalized_latent(&self) -> bool {
        matches!(self.codes, CodeKind::Int8 { normalized_latent: true, .. })
    }

    /// Bytes of a bit code, a scale's included; none with 8-bit codes. Before a fit it is the
    /// budget, afterwards the bytes that are used.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        self.as_bits().map(|bits| bits.bytes)
    }

    /// How latents become bits; none with 8-bit codes.
    #[must_use]
    pub fn coding(&self) -> Option<Coding> {
        self.as_bits().map(|bits| bits.coding)
    }

    /// Whether a row's norm is stored with its bit code; none with 8-bit codes. A fitted model has
    /// [`RowNorm::Omit`] or [`RowNorm::Store`].
    #[must_use]
    pub fn row_norm(&self) -> Option<RowNorm> {
        self.as_bits().map(|bits| bits.row_norm)
    }

    /// How many regions there are; none with 8-bit codes, which have one. A fitted model has
    /// [`Regions::Count`].
    #[must_use]
    pub fn regions(&self) -> Option<Regions> {
        self.as_bits().map(|bits| bits.regions)
    }

    /// What the fit optimises; none with 8-bit codes, whose latents have equal bits.
    #[must_use]
    pub fn objective(&self) -> Option<Objective> {
        self.as_bits().map(|bits| bits.objective)
    }

    /// The regions of a fitted model.
    pub(crate) fn region_count(&self) -> usize {
        match self.regions() {
            Some(Regions::Count(count)) => count,
            _ => 1,
        }
    }

    /// The version of the format of bit codes.
    pub(crate) fn format(&self) -> Option<BitFormat> {
        self.as_bits().map(|bits| bits.format)
    }

    /// The first option in which codes of this configuration differ from a model of another: its
    /// name, its value here and its value there.
    ///
    /// An option that codes do not show, as whether the fit was free to omit norms, is not compared.
    pub(crate) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        fn shown<T: fmt::Debug>(value: Option<T>) -> String {
            value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
        }
        let options = |config: &Self| {
            [
                ("dim", config.dim.to_string()),
                ("latent_dim", config.latent_dim.to_string()),
                ("bytes of a bit code", shown(config.bytes())),
                ("coding", shown(config.coding())),
                ("regions", config.region_count().to_string()),
                ("format", shown(config.format())),
                ("row scales", config.has_row_scales().to_string()),
                ("activation", format!("{:?}", config.activation())),
                ("normalized_latent", config.normalized_latent().to_string()),
            ]
        };
        if self == other {
            return None;
        }
        let mut pairs = options(self).into_iter().zip(options(other));
        pairs.find(|(a, b)| a != b).map(|((name, here), (_, there))| (name, here, there))
    }

    /// Sets the number of latents that a fit has chosen.
    pub(crate) fn with_latent_dim(mut self, latent_dim: usize) -> Self {
        self.latent_dim = latent_dim;
        self
    }

    /// The builder of this configuration, if it has bit codes.
    pub(super) fn as_bits(&self) -> Option<BitsConfig> {
        match self.codes {
            CodeKind::Int8 { .. } => None,
            CodeKind::Bits { bytes, coding, row_norm, regions, objective, format } => {
                let dim = self.dim;
                Some(BitsConfig { dim, bytes, coding, row_norm, regions, objective, format })
            }
        }
    }

    /// The windows of bits that a bit code is read by. Without bit codes, a latent's own bits.
    pub(crate) fn window(&self) -> Window {
        match self.codes {
            CodeKind::Bits { coding: Coding::Trellis { states }, .. } => {
                Window::Last(states.trailing_zeros())
            }
            CodeKind::Bits { coding: Coding::Scalar, .. } | CodeKind::Int8 { .. } => Window::Own,
        }
    }

    /// Whether the encoder's projection alone gives the latent.
    pub(crate) fn is_linear(&self) -> bool {
        self.activation() == Activation::Identity && !self.normalized_latent()
    }

    pub(crate) fn validate(&self) -> Result<()> {
        // 2^24 keeps every row inside a GPU binding, and 2^30 weights are 4 GiB: products of sizes
        // below them cannot overflow.
        const MAX: usize = 1 << 24;
        const MAX_WEIGHTS: u64 = 1 << 30;
        for (field, value) in [("dim", self.dim), ("latent_dim", self.latent_dim)] {
            if value == 0 {
                return Err(Error::InvalidConfig { field, value, remedy: "it must be at least 1" });
            }
            if value > MAX {
                let remedy = "it must be at most 16777216";
                return Err(Error::InvalidConfig { field, value, remedy });
            }
        }
        if self.dim as u64 * self.latent_dim as u64 > MAX_WEIGHTS {
            let remedy = "dim x latent_dim must be at most 1073741824";
            let (field, value) = ("latent_dim", self.latent_dim);
            return Err(Error::InvalidConfig { field, value, remedy });
        }
        match self.codes {
            CodeKind::Int8 { .. } => Ok(()),
            CodeKind::Bits { bytes, coding, regions, .. } => {
                self.validate_bits(bytes, coding, regions)
            }
        }
    }

    fn validate_bits(&self, bytes: usize, coding: Coding, regions: Regions) -> Result<()> {
        let invalid = |field, value, remedy| Err(Error::InvalidConfig { field, value, remedy });
        if bytes == 0 {
            return invalid("bytes", bytes, "it must be at least 1");
        }
        if self.packed_size() == 0 {
            return invalid("bytes", bytes, "it must be at least 5, because the norm takes 4");
        }
        if bytes > 1 << 13 {
            return invalid("bytes", bytes, "it must be at most 8192");
        }
        if let Coding::Trellis { states } = coding
            && !(states.is_power_of_two() && (2..=4096).contains(&states))
        {
            return invalid("states", states, "it must be a power of two from 2 to 4096");
        }
        if let Regions::Count(count) = regions {
            if !(1..=MAX_REGIONS).contains(&count) {
                return invalid("regions", count, "it must be from 1 to 256");
            }
            if 8 * self.packed_size() <= id_bits(count) as usize {
                let remedy = "a row's bytes hold its region's number alone: take fewer regions";
                return invalid("regions", count, remedy);
            }
        }
        Ok(())
    }
}
