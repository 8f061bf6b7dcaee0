//! Fits of bit codes: bits go where the variance is.

use super::super::sizes::SCALE_BYTES;
use super::super::{BitsConfig, Model, ModelConfig, RowNorm, Weights};
use super::measure::{MEASURED_ROWS, relative_error, sampled, unit_rows};
use super::principal::principal_components;
use super::stages::Stages;
use crate::bit_codes::{Trainer, allocate};
use crate::error::Result;
use crate::linear::linear;
use crate::quantize::norm;
use crate::rows::Rows;

/// The most rows that a bit code is fitted on; of more, a random sample is taken.
const MOST_ROWS: usize = 200_000;
/// Rows that tables are trained on, drawn at random.
const TRAINED_ROWS: usize = 8192;
/// Where the norms' standard deviation is below this share of their mean, a scale could not repay
/// its bytes, and is not tried.
const LEAST_SPREAD: f64 = 1e-3;

/// Fits with and without norms, or as the configuration says, and returns the better model and
/// the number of rows that it was fitted on.
pub(super) fn fit(
    rows: &Rows<'_>,
    config: &BitsConfig,
    stages: &mut Stages<'_>,
) -> Result<(Model, usize)> {
    let used = sampled(rows, MOST_ROWS, stages.seed());
    let count = used.len() / config.dim;
    let choices: &[RowNorm] = match config.row_norm {
        RowNorm::Omit => &[RowNorm::Omit],
        RowNorm::Store => &[RowNorm::Store],
        // Less than a byte beside the scale: there is no choice.
        RowNorm::Auto if config.bytes <= SCALE_BYTES => &[RowNorm::Omit],
        RowNorm::Auto if norms_vary(&used, config.dim) => &[RowNorm::Omit, RowNorm::Store],
        RowNorm::Auto => &[RowNorm::Omit],
    };
    let mut best: Option<(Model, f64)> = None;
    for &row_norm in choices {
        let config = config.clone().with_row_norm(row_norm);
        let (model, error) = fit_with(used.clone(), &config, stages)?;
        if best.as_ref().is_none_or(|(_, least)| error < *least) {
            best = Some((model, error));
        }
    }
    let (model, _) = best.expect("there is at least one choice");
    Ok((model, count))
}

fn norms_vary(rows: &[f32], dim: usize) -> bool {
    let norms: Vec<f64> = rows.chunks_exact(dim).map(|row| f64::from(norm(row))).collect();
    let mean = norms.iter().sum::<f64>() / norms.len() as f64;
    let variance = norms.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / norms.len() as f64;
    variance.sqrt() > LEAST_SPREAD * mean
}

/// The model with or without a scale, and its error on the training rows.
fn fit_with(
    mut used: Vec<f32>,
    config: &BitsConfig,
    stages: &mut Stages<'_>,
) -> Result<(Model, f64)> {
    let (dim, cancel) = (config.dim, stages.cancel());
    let check = || cancel.check();
    let measured = sampled(&Rows::flat("training rows", &used, dim)?, MEASURED_ROWS, stages.seed());
    let stores_norms = config.row_norm == RowNorm::Store;
    if stores_norms {
        unit_rows(&mut used, dim);
    }
    let rows = Rows::flat("training rows", &used, dim)?;
    let bits = ModelConfig::from(config.clone());
    let every_latent = ModelConfig::int8(dim, dim).into();
    let (weights, variances) = principal_components(&rows, &every_latent, &cancel)?;

    let trained = sampled(&rows, TRAINED_ROWS, stages.seed());
    let mut latents = vec![0.0; trained.len()];
    linear(&mut latents, &trained, &weights.encoder, weights.encoder_bias.as_deref(), dim);
    let steps: Vec<f32> = variances.iter().map(|v| v.sqrt() as f32).collect();
    let trainer = Trainer::new(bits.window(), &latents, dim, &steps, &check)?;
    let bits_per_latent = allocate(&variances, trainer.distortions(), 8 * bits.packed_size());

    let count = bits_per_latent.len();
    let latents: Vec<f32> =
        latents.chunks_exact(dim).flat_map(|row| &row[..count]).copied().collect();
    let weights = truncated(weights, dim, count);
    let model = |plan: crate::bit_codes::BitPlan| {
        let bytes = plan.code_bytes() + if stores_norms { SCALE_BYTES } else { 0 };
        let used = ModelConfig::from(BitsConfig { bytes, ..config.clone() });
        let config = used.with_latent_dim(count);
        Model::from_parts(config, weights.clone(), Some(plan))
    };
    let name =
        |what: &str| if stores_norms { format!("{what}, with scales") } else { what.to_owned() };
    let steps = steps[..count].to_vec();
    let first = model(trainer.untrained(bits_per_latent.clone(), steps.clone())?)?;
    stages.end(&name("components and bits"), relative_error(&first, &measured, &cancel)?)?;
    let trained = model(trainer.plan(bits_per_latent, steps, &latents)?)?;
    let error = relative_error(&trained, &measured, &cancel)?;
    stages.end(&name("tables and steps"), error)?;
    Ok((trained, error))
}

/// The first `count` latents of a model that has `dim` of them.
fn truncated(weights: Weights, dim: usize, count: usize) -> Weights {
    let Weights { mut encoder, encoder_bias, decoder, decoder_bias } = weights;
    encoder.truncate(count * dim);
    let encoder_bias = encoder_bias.map(|mut bias| {
        bias.truncate(count);
        bias
    });
    let decoder = decoder.chunks_exact(dim).flat_map(|row| &row[..count]).copied().collect();
    Weights { encoder, encoder_bias, decoder, decoder_bias }
}
