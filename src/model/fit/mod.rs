//! Fitting a model to rows.

mod bits;
mod options;
mod principal;

use std::time::Instant;

use rayon::prelude::*;

pub use self::options::{CancelToken, FitOptions, FitReport, FitStage};
use self::principal::{principal_components, refit_decoder, requantize};
use super::{Model, ModelConfig, RowNorm};
use crate::error::{Error, Result};
use crate::linear::linear;
use crate::quantize::to_unit;
use crate::rows::Rows;

/// The most rows a bit code is fitted on; of more, evenly spaced ones are taken.
const MOST_ROWS: usize = 200_000;
/// Rows that errors are measured on, evenly spaced.
const MEASURED_ROWS: usize = 4096;

impl Model {
    /// Fits a model to training rows `[n, dim]`. The same rows give the same model.
    ///
    /// A linear model is principal component analysis. Encoder and decoder are the eigenvectors of
    /// the rows' covariance with the largest eigenvalues. The biases hold the mean. With a ReLU or
    /// a normalised latent the encoder is the same, except that its bias is shifted up before a
    /// ReLU. The decoder then minimises the squared error over the *quantised* latents of the rows.
    ///
    /// With [bit codes](ModelConfig::bits), bits are handed out one by one. Each bit goes to the
    /// latent whose measured error shrinks the most. Lloyd's iteration then trains the levels on
    /// the latents of the rows.
    ///
    /// The time grows as `n dim^2 + dim^3`, the memory as `dim^2`. It computes on the CPU.
    ///
    /// # Errors
    /// The configuration is not valid, there are no rows, the length is not a multiple of `dim`, a
    /// value is not finite, there are fewer rows than latents of 8-bit codes, or the squares of the
    /// values leave the range of `f64`.
    pub fn fit(rows: &[f32], config: impl Into<ModelConfig>) -> Result<Self> {
        Ok(Self::fit_with(rows, config, FitOptions::default())?.0)
    }

    /// Fits a model as [`fit`](Self::fit) does, reports each stage as it ends, and can be
    /// cancelled. The options change nothing in the model.
    ///
    /// Cancellation is noticed between blocks of rows and iterations of the training. Only the
    /// eigenvectors of the covariance `[dim, dim]` are computed without a break.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit), and [`Error::Cancelled`].
    pub fn fit_with(
        rows: &[f32],
        config: impl Into<ModelConfig>,
        options: FitOptions<'_>,
    ) -> Result<(Self, FitReport)> {
        let config = config.into();
        config.validate()?;
        let rows = Rows::flat("training rows", rows, config.dim)?;
        if config.bytes().is_none() && rows.len() < config.latent_dim {
            let (rows, latent_dim) = (rows.len(), config.latent_dim);
            return Err(Error::TooFewRows { rows, latent_dim });
        }
        options.cancel().check()?;
        rows.check_finite(0..rows.len())?;
        let mut stages = Stages { stages: Vec::new(), options, start: Instant::now() };
        let (model, rows_used) = match config.as_bits() {
            None => (fit_codes(&rows, &config, &mut stages)?, rows.len()),
            Some(bits) => bits::fit(&rows, &bits, &mut stages)?,
        };
        let report = FitReport {
            rows: rows.len(),
            rows_used,
            stages: stages.stages,
            bits_per_latent: model.bits_per_latent().unwrap_or_default().to_vec(),
            has_row_scales: model.config().has_row_scales(),
        };
        Ok((model, report))
    }
}

/// A model of 8-bit codes.
fn fit_codes(rows: &Rows<'_>, config: &ModelConfig, stages: &mut Stages<'_>) -> Result<Model> {
    let cancel = stages.cancel();
    let sample = sampled(rows, MEASURED_ROWS);
    let (mut weights, _) = principal_components(rows, config, &cancel)?;
    let mut model = Model::from_weights(config.clone(), weights.clone())?;
    stages.end("principal components", relative_error(&model, &sample, &cancel)?)?;
    if !config.is_linear() {
        refit_decoder(rows, config, &mut weights, &cancel)?;
        model = Model::from_weights(config.clone(), weights)?;
        stages.end("decoder by least squares", relative_error(&model, &sample, &cancel)?)?;
    }
    Ok(model)
}

/// The stages so far.
struct Stages<'a> {
    stages: Vec<FitStage>,
    options: FitOptions<'a>,
    start: Instant,
}

impl Stages<'_> {
    /// Reports a stage, whose listener may cancel the fit.
    fn end(&mut self, name: &str, relative_mse: f64) -> Result<()> {
        let seconds = self.start.elapsed().as_secs_f64();
        self.start = Instant::now();
        let stage = FitStage { name: name.to_owned(), relative_mse, seconds };
        self.options.report(&stage);
        self.stages.push(stage);
        self.options.cancel().check()
    }

    fn cancel(&self) -> CancelToken {
        self.options.cancel().clone()
    }
}

/// At most `most` rows, evenly spaced.
fn sampled(rows: &Rows<'_>, most: usize) -> Vec<f32> {
    let count = rows.len().min(most);
    let pick = |i: usize| rows.row((i as u128 * rows.len() as u128 / count as u128) as usize);
    (0..count).flat_map(pick).copied().collect()
}

/// Divides each row by its norm, and returns the norms. A row of zeros stays as it is.
fn unit_rows(rows: &mut [f32], dim: usize) -> Vec<f32> {
    rows.chunks_exact_mut(dim).map(to_unit).collect()
}

/// Squared error over signal energy of rows that are encoded and decoded.
fn relative_error(model: &Model, rows: &[f32], cancel: &CancelToken) -> Result<f64> {
    let (config, weights) = (model.config(), model.weights());
    let mut x = rows.to_vec();
    let scales = match config.row_norm() {
        Some(RowNorm::Store) => unit_rows(&mut x, config.dim),
        _ => vec![1.0; rows.len() / config.dim],
    };
    let mut latents = vec![0.0; scales.len() * config.latent_dim];
    linear(&mut latents, &x, &weights.encoder, weights.encoder_bias.as_deref(), config.dim);
    match model.plan() {
        None => requantize(config, &mut latents),
        Some(plan) => latents.par_chunks_mut(256 * config.latent_dim).try_for_each(|latents| {
            cancel.check()?;
            let mut packed_rows = vec![0; latents.len() / config.latent_dim * plan.code_bytes()];
            plan.encode(latents, &mut packed_rows);
            let rows = latents.chunks_exact_mut(config.latent_dim);
            rows.zip(packed_rows.chunks_exact(plan.code_bytes()))
                .for_each(|(z, s)| plan.decode(s, z));
            Ok(())
        })?,
    }
    let bias = weights.decoder_bias.as_deref();
    linear(&mut x, &latents, &weights.decoder, bias, config.latent_dim);
    let (mut error, mut energy) = (0.0, 0.0);
    let pairs = rows.chunks_exact(config.dim).zip(x.chunks_exact(config.dim));
    for ((row, decoded), scale) in pairs.zip(scales) {
        for (v, d) in row.iter().zip(decoded) {
            error += (f64::from(*v) - f64::from(d * scale)).powi(2);
            energy += f64::from(*v).powi(2);
        }
    }
    Ok(if error == 0.0 { 0.0 } else { error / energy })
}
