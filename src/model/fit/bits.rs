//! Fits of bit codes: bits go where the variance is.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::sizes::SCALE_BYTES;
use super::super::{BitsConfig, Model, ModelConfig, Regions, RowNorm};
use super::measure::{Errors, MEASURED_ROWS, errors_of, sampled, split, unit_rows};
use super::regions::{Draft, standardized};
use super::stages::Stages;
use crate::bit_codes::{Check, Rate, Tables, Trainer, allocate, usual_distortions};
use crate::error::Result;
use crate::mixture::MAX_REGIONS;
use crate::quantize::norm;
use crate::rows::Rows;

/// The most rows that a bit code is fitted on; of more, a random sample is taken.
const MOST_ROWS: usize = 200_000;
/// Rows that tables are trained on, drawn at random.
const TRAINED_ROWS: usize = 16_384;
/// The most rows that are held out for a choice. They are a tenth of the rows at most.
const HELD_OUT_ROWS: usize = 4096;
/// Training rows that a region has at least, where the fit chooses the number.
const ROWS_PER_REGION: usize = 1000;
/// A larger number of regions must lower the error by this share.
const LEAST_WIN: f64 = 0.01;
/// Where the norms' standard deviation is below this share of their mean, a scale could not repay
/// its bytes, and is not tried.
const LEAST_SPREAD: f64 = 1e-3;

/// Fits a model, and returns it with the number of rows that it was fitted on.
pub(super) fn fit(
    rows: &Rows<'_>,
    config: &BitsConfig,
    stages: &mut Stages<'_>,
) -> Result<(Model, usize)> {
    let used = sampled(rows, MOST_ROWS, stages.seed());
    let count = used.len() / config.dim;
    let norms: &[RowNorm] = match config.row_norm {
        RowNorm::Omit => &[RowNorm::Omit],
        RowNorm::Store => &[RowNorm::Store],
        // Less than a byte beside the scale: there is no choice.
        RowNorm::Auto if config.bytes <= SCALE_BYTES => &[RowNorm::Omit],
        RowNorm::Auto if norms_vary(&used, config.dim) => &[RowNorm::Omit, RowNorm::Store],
        RowNorm::Auto => &[RowNorm::Omit],
    };
    let most_regions = match config.regions {
        Regions::Auto => (count / ROWS_PER_REGION).min(MAX_REGIONS),
        Regions::Count(_) => 1,
    };
    let mut config = config.clone().with_row_norm(norms[0]);
    let mut regions = match config.regions {
        Regions::Count(count) => count,
        Regions::Auto => 1,
    };
    let cancel = stages.cancel();
    let check = || cancel.check();
    let trainer = if norms.len() > 1 || most_regions > 1 {
        let (train, held_out) = split(&used, config.dim, HELD_OUT_ROWS, stages.seed());
        let choice = Choice { train, held_out, check: &check };
        let mut tried = choice.norm(&mut config, regions, norms, stages)?;
        if most_regions > 1 {
            regions = choice.regions(&tried, &config, most_regions, stages)?;
        }
        tried.rows = vec![].into();
        tried.trainer
    } else {
        trainer(&used, &config, stages, &check)?
    };
    let config = config.with_regions(Regions::Count(regions));
    Ok((fit_regions(used, &config, regions, &trainer, stages)?, count))
}

fn norms_vary(rows: &[f32], dim: usize) -> bool {
    let norms: Vec<f64> = rows.chunks_exact(dim).map(|row| f64::from(norm(row))).collect();
    let mean = norms.iter().sum::<f64>() / norms.len() as f64;
    let variance = norms.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / norms.len() as f64;
    variance.sqrt() > LEAST_SPREAD * mean
}

/// Rows to fit on and rows to judge by, where a fit has a choice.
struct Choice<'a> {
    train: Vec<f32>,
    held_out: Vec<f32>,
    check: Check<'a>,
}

impl<'a> Choice<'a> {
    /// Chooses whether to store norms: what has the smaller error on the rows that were held out. Two
    /// errors count, the error relative to the energy of all rows, and the mean of each row's own.
    /// Where few rows have nearly all of the energy, the first alone would sacrifice the others.
    fn norm(
        &self,
        config: &mut BitsConfig,
        regions: usize,
        norms: &[RowNorm],
        stages: &mut Stages<'_>,
    ) -> Result<Tried<'_, 'a>> {
        let mut best: Option<(f64, RowNorm, Tried<'_, 'a>)> = None;
        for &row_norm in norms {
            let config = config.clone().with_row_norm(row_norm);
            let tried = Tried::new(self, &config, stages)?;
            let mut score = 0.0;
            if norms.len() > 1 {
                let errors = tried.errors(&config, regions, &self.held_out, stages)?;
                let name = if row_norm == RowNorm::Store { "with norms" } else { "without norms" };
                stages.end(&format!("held-out rows, {name}"), errors.relative_mse())?;
                score = errors.relative_mse() * errors.mean_of_rows();
            }
            if best.as_ref().is_none_or(|(least, ..)| score < *least) {
                best = Some((score, row_norm, tried));
            }
        }
        let (_, row_norm, tried) = best.expect("there is at least one choice");
        config.row_norm = row_norm;
        Ok(tried)
    }

    /// The number of regions: one, and then more while the error on the rows that were held out shrinks
    /// by [`LEAST_WIN`].
    fn regions(
        &self,
        tried: &Tried<'_, '_>,
        config: &BitsConfig,
        max_regions: usize,
        stages: &mut Stages<'_>,
    ) -> Result<usize> {
        let mut best: Option<(f64, usize)> = None;
        for count in [1, 4, 8, 16, 32, 64, 128, 256] {
            // Rows of few bytes have no room for the numbers of regions.
            let too_short = 8 * ModelConfig::from(config.clone()).packed_size() < 16;
            if count > 1 && (count > max_regions || too_short) {
                break;
            }
            let error = tried.errors(config, count, &self.held_out, stages)?.relative_mse();
            let plural = if count == 1 { "" } else { "s" };
            stages.end(&format!("held-out rows, {count} region{plural}"), error)?;
            if best.is_some_and(|(least, _)| error > (1.0 - LEAST_WIN) * least) {
                break;
            }
            best = Some((error, count));
        }
        Ok(best.map_or(1, |(_, count)| count))
    }
}

/// Rows for trials, and the tables that all trials share.
struct Tried<'a, 'c> {
    rows: Cow<'a, [f32]>,
    trainer: Trainer<'c>,
    tables: Arc<Tables>,
}

impl<'a, 'c> Tried<'a, 'c> {
    fn new(choice: &'a Choice<'c>, config: &BitsConfig, stages: &Stages<'_>) -> Result<Self> {
        let mut rows = Cow::Borrowed(choice.train.as_slice());
        if config.row_norm == RowNorm::Store {
            unit_rows(rows.to_mut(), config.dim);
        }
        let trainer = trainer(&rows, config, stages, choice.check)?;
        Ok(Self { tables: trainer.tables()?, trainer, rows })
    }

    /// The errors of held-out rows with this many regions and tables that are not trained further.
    fn errors(
        &self,
        config: &BitsConfig,
        count: usize,
        held_out: &[f32],
        stages: &Stages<'_>,
    ) -> Result<Errors> {
        let cancel = stages.cancel();
        let config = ModelConfig::from(config.clone().with_regions(Regions::Count(count)));
        let (draft, _) = Draft::fit(
            &self.rows,
            &config,
            count,
            self.trainer.distortions(),
            stages.seed(),
            &cancel,
        )?;
        let mixture = draft.mixture(draft.plans(&self.tables)?)?;
        errors_of(&Model::from_mixture(config, mixture)?, held_out, &cancel)
    }
}

/// The tables of all rates that the budget may need, for rows whose norms are divided out if they are
/// stored.
fn trainer<'a>(
    rows: &[f32],
    config: &BitsConfig,
    stages: &Stages<'_>,
    check: Check<'a>,
) -> Result<Trainer<'a>> {
    let sample = Rows::flat("training rows", rows, config.dim)?;
    let mut sample = sampled(&sample, TRAINED_ROWS, stages.seed());
    if config.row_norm == RowNorm::Store {
        unit_rows(&mut sample, config.dim);
    }
    let (latents, variances) = standardized(&sample, config.dim, &stages.cancel())?;
    let bits = ModelConfig::from(config.clone());
    let (window, budget) = (bits.window(), 8 * bits.packed_size());
    // Tables of rates far beyond what the budget allows would be trained for nothing.
    let usual = allocate(window, &variances, &usual_distortions(), budget);
    let max_rate = usual.iter().max().map_or(Rate::whole(1), |rate| rate.plus(2));
    Trainer::new(window, max_rate, &latents, variances.len(), check)
}

/// The model of this many regions, fitted on all rows.
fn fit_regions(
    mut used: Vec<f32>,
    config: &BitsConfig,
    count: usize,
    trainer: &Trainer<'_>,
    stages: &mut Stages<'_>,
) -> Result<Model> {
    let (dim, cancel, seed) = (config.dim, stages.cancel(), stages.seed());
    let measured = sampled(&Rows::flat("training rows", &used, dim)?, MEASURED_ROWS, seed);
    if config.row_norm == RowNorm::Store {
        unit_rows(&mut used, dim);
    }
    let bits = ModelConfig::from(config.clone());
    let (draft, assigned) = Draft::fit(&used, &bits, count, trainer.distortions(), seed, &cancel)?;
    let plans = draft.plans(&trainer.tables()?)?;
    let model = |plans| Model::from_mixture(bits.clone(), draft.mixture(plans)?);
    let error = errors_of(&model(plans.clone())?, &measured, &cancel)?.relative_mse();
    stages.end("regions, axes and bits", error)?;
    let latents = draft.training_latents(&used, &assigned, TRAINED_ROWS, seed);
    let latents: Vec<&[f32]> = latents.iter().map(Vec::as_slice).collect();
    let trained = model(trainer.trained(plans, &latents)?)?;
    let error = errors_of(&trained, &measured, &cancel)?.relative_mse();
    stages.end("tables and steps", error)?;
    Ok(trained)
}
