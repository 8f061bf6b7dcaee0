//! Models and rows to test with, the same on every machine for the same seed.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use vecodec::{Activation, Model, ModelConfig, Weights};

use crate::oracle;

pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// In `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, deviation 1.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub fn normals(&mut self, len: usize, deviation: f64) -> Vec<f32> {
        (0..len).map(|_| (self.normal() * deviation) as f32).collect()
    }
}

/// A model of random weights that keep the magnitude of a row.
pub fn model(config: impl Into<ModelConfig>, biases: bool, seed: u64) -> Model {
    let config = config.into();
    let (dim, latent) = (config.dim, config.latent_dim);
    let mut random = Random::new(seed);
    let weights = Weights {
        encoder: random.normals(latent * dim, (dim as f64).powf(-0.5)),
        decoder: random.normals(dim * latent, (latent as f64).powf(-0.5)),
        encoder_bias: biases.then(|| random.normals(latent, 0.3)),
        decoder_bias: biases.then(|| random.normals(dim, 0.3)),
    };
    Model::from_weights(config, weights).unwrap()
}

/// A model of one matrix entry a value: what is encoded is what is quantised.
pub fn identity(dim: usize) -> Model {
    let mut matrix = vec![0.0; dim * dim];
    (0..dim).for_each(|i| matrix[i * dim + i] = 1.0);
    let weights = Weights { encoder: matrix.clone(), decoder: matrix, ..Weights::default() };
    Model::from_weights(ModelConfig::int8(dim, dim), weights).unwrap()
}

/// The options of a model in letters: `b`iases, `r`eLU, `n`ormalised latent.
pub fn config(dim: usize, latent_dim: usize, letters: &str) -> ModelConfig {
    assert!(letters.chars().all(|letter| "brn".contains(letter)), "{letters}");
    let relu = letters.contains('r');
    ModelConfig::int8(dim, latent_dim)
        .with_activation(if relu { Activation::Relu } else { Activation::Identity })
        .with_normalized_latent(letters.contains('n'))
        .into()
}

/// A model and a batch, by their sizes.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub dim: usize,
    pub latent: usize,
    pub rows: usize,
    pub letters: &'static str,
}

impl Case {
    pub fn seed(&self) -> u64 {
        (self.dim * 1_000_003 + self.latent * 1009 + self.rows) as u64
    }

    pub fn model(&self) -> Model {
        let config = config(self.dim, self.latent, self.letters);
        model(config, self.letters.contains('b'), self.seed())
    }

    /// Rows of about unit norm times 3, none of which cancels out in the encoder: the latent of
    /// such a row has no five digits in `f32`, whoever computes it.
    pub fn rows(&self, model: &Model) -> Vec<f32> {
        let mut random = Random::new(self.seed() + 1);
        let deviation = 3.0 * (self.dim as f64).powf(-0.5);
        let mut rows = Vec::with_capacity(self.rows * self.dim);
        while rows.len() < self.rows * self.dim {
            let row = random.normals(self.dim, deviation);
            // With many latents one of them is large anyway.
            if self.latent > 32 || is_well_conditioned(model, &row) {
                rows.extend(row);
            }
        }
        rows
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dim, latent, rows, letters } = self;
        write!(f, "{rows} rows, {dim} -> {latent}, options \"{letters}\", seed {}", self.seed())
    }
}

/// Whether the latent is not tiny against the terms it is a sum of, and no ReLU is undecided.
fn is_well_conditioned(model: &Model, row: &[f32]) -> bool {
    let weights = model.weights();
    let terms = weights.encoder.chunks(row.len()).enumerate().map(|(i, w)| {
        let bias = weights.encoder_bias.as_ref().map_or(0.0, |bias| f64::from(bias[i].abs()));
        bias + w.iter().zip(row).map(|(w, x)| f64::from((w * x).abs())).sum::<f64>()
    });
    let least = 0.02 * terms.fold(0.0, f64::max);
    let z = oracle::projected(model, row);
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match model.config().activation() {
        Activation::Relu => largest.abs() >= least,
        _ => oracle_max(&z) >= least,
    }
}

fn oracle_max(z: &[f64]) -> f64 {
    z.iter().fold(0.0, |max, z| max.max(z.abs()))
}

pub fn nested(rows: &[f32], dim: usize) -> Vec<Vec<f32>> {
    rows.chunks(dim).map(<[f32]>::to_vec).collect()
}
