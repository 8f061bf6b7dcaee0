//! What a model is, apart from its numbers.

use crate::bit_codes::Window;
use crate::error::{Error, Result};

/// Bytes of the scale that is stored with every row.
pub(crate) const SCALE_BYTES: usize = size_of::<f32>();

/// What follows the encoder's projection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing: the latent is linear in the row.
    #[default]
    Identity,
    /// `max(z, 0)`, entry by entry.
    Relu,
}

impl Activation {
    /// The number that a fingerprint hashes. Stored models depend on it: it never changes.
    pub(super) fn wire_id(self) -> u8 {
        match self {
            Self::Identity => 0,
            Self::Relu => 1,
        }
    }
}

/// How latents are turned into bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coding {
    /// A quantiser a latent, of as many levels as its bits allow. Fast to encode.
    Scalar,
    /// A trellis through all of a row's latents: less error from the same bytes, for a search
    /// when encoding whose time grows with the states. 256 are a good choice, 1,024 and 4,096
    /// gain a little more.
    Trellis {
        /// A power of two from 2 to 4,096.
        states: usize,
    },
}

/// Whether a row's L2 norm is stored with its bit codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RowNorm {
    /// As the fit finds better on its training rows.
    #[default]
    Auto,
    /// None: all bytes go to the latents. Best where rows have much the same norm.
    Omit,
    /// The row's L2 norm, in four of its bytes. Best where norms vary widely.
    Store,
}

impl RowNorm {
    /// The number that a fingerprint hashes. Stored models depend on it: it never changes.
    pub(super) fn wire_id(self) -> u8 {
        match self {
            Self::Auto => 0,
            Self::Omit => 1,
            Self::Store => 2,
        }
    }
}

/// Shape and options of a [`Model`](crate::Model).
///
/// By default codes are 8-bit: one byte a latent, and four bytes for the row's scale. With a
/// [budget of bytes](Self::with_bytes), each latent gets as many bits as its variance deserves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Values in a row.
    pub dim: usize,
    /// Values in a latent, and codes in an encoded row. May exceed `dim`.
    pub latent_dim: usize,
    /// What follows the encoder's projection.
    pub activation: Activation,
    /// Whether the latent is divided by its L2 norm. The norm is folded into the row's scale,
    /// so decoding restores the row's magnitude.
    pub normalized_latent: bool,
    /// Bytes of a code, a scale's included, if it is a bit code; else it is 8-bit.
    pub bytes: Option<usize>,
    /// How a bit code is made; of no effect on 8-bit codes.
    pub coding: Coding,
    /// Whether a bit code goes with a scale; of no effect on 8-bit codes.
    pub row_norm: RowNorm,
}

impl ModelConfig {
    /// A linear model with 8-bit codes whose latent is not normalised.
    ///
    /// Zero sizes are accepted here and refused where a model is made.
    pub fn new(dim: usize, latent_dim: usize) -> Self {
        Self {
            dim,
            latent_dim,
            activation: Activation::Identity,
            normalized_latent: false,
            bytes: None,
            coding: Coding::Trellis { states: 256 },
            row_norm: RowNorm::Auto,
        }
    }

    /// The same with codes of at most `bytes` bytes a row, spent where the data has variance. The
    /// fit chooses how many latents there are, in place of `latent_dim`, and the bits of each.
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// The same with another coding, for models with a budget of bytes.
    pub fn with_coding(mut self, coding: Coding) -> Self {
        self.coding = coding;
        self
    }

    /// The same with rows' scales kept or not, for models with a budget of bytes.
    pub fn with_row_norm(mut self, row_norm: RowNorm) -> Self {
        self.row_norm = row_norm;
        self
    }

    /// The same with another activation.
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// The same with the latent normalised, or not.
    pub fn with_normalized_latent(mut self, normalized: bool) -> Self {
        self.normalized_latent = normalized;
        self
    }

    /// 64 latents, ReLU, normalised: 45 times smaller at 768 dimensions.
    pub fn high_compression(dim: usize) -> Self {
        Self::new(dim, 64).with_activation(Activation::Relu).with_normalized_latent(true)
    }

    /// 128 latents, ReLU: 23 times smaller at 768 dimensions.
    pub fn balanced(dim: usize) -> Self {
        Self::new(dim, 128).with_activation(Activation::Relu)
    }

    /// 384 dimensions to 64 latents, ReLU: for the MiniLM family of sentence encoders.
    pub fn minilm() -> Self {
        Self::new(384, 64).with_activation(Activation::Relu)
    }

    /// Bytes of an encoded row, its scale included.
    pub fn code_size(&self) -> usize {
        self.packed_size() + if self.has_row_scales() { SCALE_BYTES } else { 0 }
    }

    /// Bytes of a row as `f32` over bytes of its code, the scale's bytes counted.
    pub fn compression_ratio(&self) -> f32 {
        (self.dim * size_of::<f32>()) as f32 / self.code_size() as f32
    }

    /// Bytes of a row's packed codes, without its scale.
    pub(crate) fn packed_size(&self) -> usize {
        match self.bytes {
            None => self.latent_dim,
            Some(bytes) if self.has_row_scales() => bytes.saturating_sub(SCALE_BYTES),
            Some(bytes) => bytes,
        }
    }

    /// What a bit code's windows are.
    pub(crate) fn window(&self) -> Window {
        match self.coding {
            Coding::Scalar => Window::Own,
            Coding::Trellis { states } => Window::Last(states.trailing_zeros()),
        }
    }

    /// Whether every row has a scale of its own.
    pub(crate) fn has_row_scales(&self) -> bool {
        self.bytes.is_none() || self.row_norm == RowNorm::Store
    }

    /// Whether what the encoder's projection gives is the latent.
    pub(crate) fn is_linear(&self) -> bool {
        self.activation == Activation::Identity && !self.normalized_latent
    }

    pub(crate) fn validate(&self) -> Result<()> {
        // 2^24 keeps every product of sizes far inside usize and every row inside a GPU binding.
        const MAX: usize = 1 << 24;
        for (field, value) in [("dim", self.dim), ("latent_dim", self.latent_dim)] {
            if value == 0 {
                return Err(Error::InvalidConfig { field, value, remedy: "it must be at least 1" });
            }
            // 4 GiB of weights; a product in usize cannot overflow below it.
            const MAX_WEIGHTS: usize = 1 << 30;
            if field == "latent_dim" && value <= MAX && self.dim * value > MAX_WEIGHTS {
                let remedy = "dim x latent_dim must be at most 1073741824";
                return Err(Error::InvalidConfig { field, value, remedy });
            }
            if value > MAX {
                let remedy = "it must be at most 16777216";
                return Err(Error::InvalidConfig { field, value, remedy });
            }
        }
        self.validate_bytes()
    }

    fn validate_bytes(&self) -> Result<()> {
        let Some(bytes) = self.bytes else { return Ok(()) };
        let invalid = |field, value, remedy| Err(Error::InvalidConfig { field, value, remedy });
        if self.packed_size() == 0 {
            return invalid("bytes", bytes, "it must leave at least 1 beside a scale's 4");
        }
        if bytes > 1 << 13 {
            return invalid("bytes", bytes, "it must be at most 8192");
        }
        if !self.is_linear() {
            let remedy = "a budget of bytes goes with a linear latent: ReLU and normalisation \
                          only lose what the bits could tell, so leave them out, or the budget";
            return invalid("bytes", bytes, remedy);
        }
        if let Coding::Trellis { states } = self.coding
            && !(states.is_power_of_two() && (2..=4096).contains(&states))
        {
            return invalid("states", states, "it must be a power of two from 2 to 4096");
        }
        Ok(())
    }
}
