//! Models and rows for tests. A seed gives the same values on every machine.

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

    /// A uniform value in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A normal value of mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub fn normals(&mut self, len: usize, deviation: f64) -> Vec<f32> {
        (0..len).map(|_| (self.normal() * deviation) as f32).collect()
    }
}

/// A model of random weights that preserve the magnitude of a row.
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

/// A model whose matrices are the identity: the latents are the values of the row.
pub fn identity(dim: usize) -> Model {
    let mut matrix = vec![0.0; dim * dim];
    (0..dim).for_each(|i| matrix[i * dim + i] = 1.0);
    let weights = Weights { encoder: matrix.clone(), decoder: matrix, ..Weights::default() };
    Model::from_weights(ModelConfig::int8(dim, dim), weights).unwrap()
}

/// The options of a model that are not sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub bias: bool,
    pub relu: bool,
    pub normalized: bool,
}

impl Options {
    /// Linear, without biases.
    pub const PLAIN: Self = Self { bias: false, relu: false, normalized: false };
    const PAIR: Self = Self::PLAIN.relu().normalized();
    /// Every latent that is not linear.
    pub const NONLINEAR: [Self; 3] = [Self::PLAIN.relu(), Self::PLAIN.normalized(), Self::PAIR];
    /// Every latent.
    pub const LATENTS: [Self; 4] =
        [Self::PLAIN, Self::PLAIN.relu(), Self::PLAIN.normalized(), Self::PAIR];
    /// None, each alone, and all.
    pub const EACH: [Self; 5] = [
        Self::PLAIN,
        Self::PLAIN.bias(),
        Self::PLAIN.relu(),
        Self::PLAIN.normalized(),
        Self::PAIR.bias(),
    ];
    /// Every combination.
    pub const ALL: [Self; 8] = [
        Self::PLAIN,
        Self::PLAIN.bias(),
        Self::PLAIN.relu(),
        Self::PLAIN.bias().relu(),
        Self::PLAIN.normalized(),
        Self::PLAIN.bias().normalized(),
        Self::PAIR,
        Self::PAIR.bias(),
    ];

    pub const fn bias(self) -> Self {
        Self { bias: true, ..self }
    }

    pub const fn relu(self) -> Self {
        Self { relu: true, ..self }
    }

    pub const fn normalized(self) -> Self {
        Self { normalized: true, ..self }
    }

    pub fn config(self, dim: usize, latent_dim: usize) -> ModelConfig {
        let activation = if self.relu { Activation::Relu } else { Activation::Identity };
        ModelConfig::int8(dim, latent_dim)
            .with_activation(activation)
            .with_normalized_latent(self.normalized)
            .into()
    }

    /// A model of random weights, as [`model`].
    pub fn model(self, dim: usize, latent_dim: usize, seed: u64) -> Model {
        model(self.config(dim, latent_dim), self.bias, seed)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(self.bias, "bias"), (self.relu, "ReLU"), (self.normalized, "normalised")];
        let set: Vec<_> = names.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        f.write_str(&if set.is_empty() { "no options".to_owned() } else { set.join(" and ") })
    }
}

/// A model and a batch, by their sizes and options.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub dim: usize,
    pub latent: usize,
    pub rows: usize,
    pub options: Options,
}

impl Case {
    pub const fn new(dim: usize, latent: usize, rows: usize) -> Self {
        Self { dim, latent, rows, options: Options::PLAIN }
    }

    pub const fn bias(self) -> Self {
        Self { options: self.options.bias(), ..self }
    }

    pub const fn relu(self) -> Self {
        Self { options: self.options.relu(), ..self }
    }

    pub const fn normalized(self) -> Self {
        Self { options: self.options.normalized(), ..self }
    }

    pub fn seed(&self) -> u64 {
        (self.dim * 1_000_003 + self.latent * 1009 + self.rows) as u64
    }

    pub fn model(&self) -> Model {
        self.options.model(self.dim, self.latent, self.seed())
    }

    /// Random rows of norm about 3. Rows whose terms cancel out in the encoder are left out,
    /// because `f32` cannot give five digits of the latents of such a row.
    pub fn rows(&self, model: &Model) -> Vec<f32> {
        let mut random = Random::new(self.seed() + 1);
        let deviation = 3.0 * (self.dim as f64).powf(-0.5);
        let mut rows = Vec::with_capacity(self.rows * self.dim);
        while rows.len() < self.rows * self.dim {
            let row = random.normals(self.dim, deviation);
            // Among many latents there is always a large one.
            if self.latent > 32 || is_well_conditioned(model, &row) {
                rows.extend(row);
            }
        }
        rows
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dim, latent, rows, options } = self;
        write!(f, "{rows} rows, {dim} -> {latent}, {options}, seed {}", self.seed())
    }
}

/// Whether the largest latent is not tiny relative to the terms of its sum, and no ReLU is
/// undecided.
fn is_well_conditioned(model: &Model, row: &[f32]) -> bool {
    let weights = model.weights().unwrap();
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
