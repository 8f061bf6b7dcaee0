//! Untrained models, for tests and benchmarks.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::{Model, ModelConfig, Weights};
use crate::error::Result;
use crate::memory;

impl Model {
    /// A model of random weights without biases, the same for the same seed on every machine.
    ///
    /// Entries are uniform in `±sqrt(6 / (dim + latent_dim))` (Glorot and Bengio, 2010).
    ///
    /// # Errors
    /// A size is zero, or the configuration has bit codes, whose tables only a fit can make.
    pub fn random(config: impl Into<ModelConfig>, seed: u64) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        memory::check::<f32>("the weights", &[2, config.dim, config.latent_dim])?;
        let limit = (6.0 / (config.dim + config.latent_dim) as f64).sqrt() as f32;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The upper 24 bits fill an f32's mantissa exactly.
        let mut uniform = |_| limit * ((rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0);
        let len = config.dim * config.latent_dim;
        let encoder = (0..len).map(&mut uniform).collect();
        let decoder = (0..len).map(&mut uniform).collect();
        Self::from_weights(config, Weights { encoder, decoder, ..Weights::default() })
    }
}
