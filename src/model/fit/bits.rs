//! Fits of bit codes: bits go where the variance is.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::sizes::SCALE_BYTES;
use super::super::{BitsConfig, Model, ModelConfig, Objective, Regions, RowNorm};
use super::facts::{HeldOut, facts};
use super::measure::{
    HELD_OUT_ROWS, MEASURED_ROWS, decoded_errors, errors_of, sampled, split, unit_rows,
};
use super::queries::{Moments, Recall};
use super::regions::{Draft, Goal, standardized};
use super::stages::Stages;
use super::warnings::FitWarning;
use crate::bit_codes::{Check, Rate, Tables, Trainer, allocate, usual_distortions};
use crate::error::Result;
use crate::mixture::{MAX_REGIONS, Mixture};
use crate::quantize::norm;
use crate::rows::Rows;

/// The most rows that a bit code is fitted on; of more, a random sample is taken.
pub(super) const MOST_ROWS: usize = 200_000;
/// Rows that tables are trained on, drawn at random.
const TRAINED_ROWS: usize = 16_384;
/// Training rows that a region has at least, where the fit chooses the number.
const ROWS_PER_REGION: usize = 1000;
/// A larger number of regions must lower the error by this share.
const LEAST_WIN: f64 = 0.01;
/// Fewer rows than these hold out too few to measure a recall on.
const SEARCHED_ROWS: usize = 1000;
/// The exponents of the weights of queries that a fit tries.
const EXPONENTS: [f64; 9] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0];
/// What weights of queries may multiply the squared error by.
const MOST_LOSS: f64 = 1.03;
/// Where the norms' standard deviation is below this share of their mean, a scale could not repay
/// its bytes, and is not tried.
const LEAST_SPREAD: f64 = 1e-3;

/// A model of bit codes, and what its fit chose.
pub(super) struct Fitted {
    pub(super) model: Model,
    /// Rows that it was fitted on.
    pub(super) rows_used: usize,
    pub(super) warnings: Vec<FitWarning>,
}

pub(super) fn fit(rows: &Rows<'_>, config: &BitsConfig, stages: &mut Stages<'_>) -> Result<Fitted> {
    let used = sampled(rows, MOST_ROWS, stages.seed());
    let rows_used = used.len() / config.dim;
    let norms: &[RowNorm] = match config.row_norm {
        RowNorm::Omit => &[RowNorm::Omit],
        RowNorm::Store => &[RowNorm::Store],
        // Less than a byte beside the scale: there is no choice.
        RowNorm::Auto if config.bytes <= SCALE_BYTES => &[RowNorm::Omit],
        RowNorm::Auto if norms_vary(&used, config.dim) => &[RowNorm::Omit, RowNorm::Store],
        RowNorm::Auto => &[RowNorm::Omit],
    };
    let counts = region_counts(config, rows_used);
    let searches = config.objective == Objective::Search && rows_used >= SEARCHED_ROWS;
    let mut config = config.clone().with_row_norm(norms[0]);
    let cancel = stages.cancel();
    let check = || cancel.check();
    if norms.len() == 1 && counts.len() == 1 && !searches {
        let config = config.with_regions(Regions::Count(counts[0]));
        let trainer = trainer(&used, &config, stages, &check)?;
        let goal = Goal { distortions: trainer.distortions(), queries: None };
        let model = fit_regions(used, &config, &trainer, goal, None, stages)?;
        return Ok(Fitted::new(model, rows_used));
    }
    let (train, held_out) = split(&used, config.dim, HELD_OUT_ROWS, stages.seed());
    let choice = Choice { train, held_out, check: &check };
    let mut tried = choice.norm(&mut config, counts[0], norms, stages)?;
    let distortions = *tried.trainer.distortions();
    let unweighted = Goal { distortions: &distortions, queries: None };
    let draft = choice.regions(&tried, &config, &counts, unweighted, stages)?;
    config = config.with_regions(Regions::Count(draft.region_count()));
    let moments;
    let mut goal = unweighted;
    if searches {
        let queries = stages.queries().unwrap_or(&choice.train);
        let queries = Rows::flat("queries", queries, config.dim)?;
        moments = Moments::of(&queries, stages.seed(), &cancel)?;
        let exponent = choice.exponent(&tried, &config, draft, &queries, &moments, stages)?;
        goal = unweighted.weighted(&moments, exponent);
    }
    tried.rows = vec![].into();
    let trainer = tried.trainer;
    drop((choice.train, choice.held_out));
    let model = fit_regions(used, &config, &trainer, goal, None, stages)?;
    Ok(Fitted::new(model, rows_used))
}

impl Fitted {
    pub(super) fn new(model: Model, rows_used: usize) -> Self {
        let plans = (0..model.region_count()).filter_map(|region| model.plan(region));
        let end = plans.filter_map(|plan| Some(plan.symbols().last()?.end)).max().unwrap_or(0);
        let bytes = model.config().packed_size();
        let used = end.div_ceil(8) as usize;
        let norm_bytes = model.config().code_size() - bytes;
        let warning =
            FitWarning::BudgetNotUsed { bytes: bytes + norm_bytes, used: used + norm_bytes };
        let warnings = if used < bytes { vec![warning] } else { vec![] };
        Self { model, rows_used, warnings }
    }
}

/// The largest number of regions that a fit tries.
pub(super) fn max_regions(config: &BitsConfig, rows: usize) -> usize {
    region_counts(config, rows.min(MOST_ROWS)).into_iter().max().unwrap_or(1)
}

/// The numbers of regions that a fit tries, in ascending order.
fn region_counts(config: &BitsConfig, rows: usize) -> Vec<usize> {
    let max = (rows / ROWS_PER_REGION).min(MAX_REGIONS);
    // Rows of few bytes have no room for the numbers of regions.
    let too_short = 8 * ModelConfig::from(config.clone()).packed_size() < 16;
    match config.regions {
        Regions::Count(count) => vec![count],
        Regions::Auto if too_short => vec![1],
        Regions::Auto => {
            let counts = [1, 4, 8, 16, 32, 64, 128, 256];
            counts.into_iter().filter(|count| *count == 1 || *count <= max).collect()
        }
    }
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
                let goal = Goal { distortions: tried.trainer.distortions(), queries: None };
                let draft = tried.draft(&config, regions, goal, stages)?;
                let model = tried.model(&config, &draft)?;
                let errors = errors_of(&model, &self.held_out, &stages.cancel())?;
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

    /// The draft of as many regions as are worth it: of one, and then of more while the error on the
    /// rows that were held out shrinks by [`LEAST_WIN`].
    fn regions<'g>(
        &self,
        tried: &Tried<'_, '_>,
        config: &BitsConfig,
        counts: &[usize],
        goal: Goal<'g>,
        stages: &mut Stages<'_>,
    ) -> Result<Draft<'g>> {
        let mut best: Option<(f64, Draft<'g>)> = None;
        for &count in counts {
            let draft = tried.draft(config, count, goal, stages)?;
            if counts.len() == 1 {
                return Ok(draft);
            }
            let model = tried.model(config, &draft)?;
            let error = errors_of(&model, &self.held_out, &stages.cancel())?.relative_mse();
            let plural = if count == 1 { "" } else { "s" };
            stages.end(&format!("held-out rows, {count} region{plural}"), error)?;
            if best.as_ref().is_some_and(|(least, _)| error > (1.0 - LEAST_WIN) * least) {
                break;
            }
            best = Some((error, draft));
        }
        Ok(best.expect("there is at least one number").1)
    }

    /// The exponent of the weights of queries by which most of the ten nearest rows are found among the
    /// rows that were held out. It may cost [`MOST_LOSS`] of squared error.
    fn exponent<'g>(
        &self,
        tried: &Tried<'_, '_>,
        config: &BitsConfig,
        mut draft: Draft<'g>,
        queries: &Rows<'_>,
        moments: &'g Moments,
        stages: &mut Stages<'_>,
    ) -> Result<f64> {
        let recall = Recall::of(queries, &self.held_out, stages.seed());
        let (mut least_error, mut best) = (f64::INFINITY, (0.0, 0.0));
        for exponent in EXPONENTS {
            let goal = draft.goal().weighted(moments, exponent);
            draft = draft.for_goal(goal);
            let model = tried.model(config, &draft)?;
            let (decoded, errors) = decoded_errors(&model, &self.held_out, &stages.cancel())?;
            let (found, error) = (recall.at_10(decoded), errors.relative_mse());
            let name = format!("held-out rows, queries ^ {exponent}, recall@10 {found:.4}");
            stages.end(&name, error)?;
            if exponent == 0.0 {
                least_error = error;
            }
            if error <= MOST_LOSS * least_error && found > best.0 {
                best = (found, exponent);
            }
        }
        Ok(best.1)
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

    /// So many regions, fitted to the rows.
    fn draft<'g>(
        &self,
        config: &BitsConfig,
        count: usize,
        goal: Goal<'g>,
        stages: &Stages<'_>,
    ) -> Result<Draft<'g>> {
        let config = ModelConfig::from(config.clone().with_regions(Regions::Count(count)));
        Ok(Draft::fit(&self.rows, &config, count, goal, stages.seed(), &stages.cancel())?.0)
    }

    /// A model of these regions, with tables that are not trained further.
    fn model(&self, config: &BitsConfig, draft: &Draft<'_>) -> Result<Model> {
        let regions = Regions::Count(draft.region_count());
        let mixture = draft.mixture(draft.plans(&self.tables)?)?;
        Model::from_mixture(config.clone().with_regions(regions).into(), mixture, None)
    }
}

/// The tables of all rates that the budget may need, for rows whose norms are divided out if they are
/// stored.
pub(super) fn trainer<'a>(
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

/// The model of this many regions, fitted on all rows. It starts from an old model if there is one.
pub(super) fn fit_regions(
    mut used: Vec<f32>,
    config: &BitsConfig,
    trainer: &Trainer<'_>,
    goal: Goal<'_>,
    old: Option<&Mixture>,
    stages: &mut Stages<'_>,
) -> Result<Model> {
    let (dim, cancel, seed) = (config.dim, stages.cancel(), stages.seed());
    let measured = sampled(&Rows::flat("training rows", &used, dim)?, MEASURED_ROWS, seed);
    let held_out = HeldOut::new(&used, dim, seed);
    let query_exponent = goal.queries.map_or(0.0, |(_, exponent)| exponent);
    let facts = facts(&used, dim, query_exponent);
    if config.row_norm == RowNorm::Store {
        unit_rows(&mut used, dim);
    }
    let bits = ModelConfig::from(config.clone());
    let (draft, assigned) = match old {
        Some(old) => Draft::fit_from(old, &used, &bits, goal, &cancel)?,
        None => Draft::fit(&used, &bits, bits.region_count(), goal, seed, &cancel)?,
    };
    let tables = trainer.tables()?;
    let plans = draft.plans(&tables)?;
    let model = |plans| Model::from_mixture(bits.clone(), draft.mixture(plans)?, None);
    let untrained = errors_of(&model(plans.clone())?, &measured, &cancel)?.relative_mse();
    stages.end("regions, axes and bits", untrained)?;
    let of_new_rows = held_out.relative_mse(&draft, &used, &assigned, &tables, &bits, &cancel)?;
    let latents = draft.training_latents(&used, &assigned, TRAINED_ROWS, seed);
    let latents: Vec<&[f32]> = latents.iter().map(Vec::as_slice).collect();
    let trained = model(trainer.trained(plans, &latents)?)?;
    let error = errors_of(&trained, &measured, &cancel)?.relative_mse();
    stages.end("tables and steps", error)?;
    // New rows gain by the training of the tables as these do.
    let gain = if untrained > 0.0 { error / untrained } else { 1.0 };
    let error = of_new_rows.map_or(error, |of_new_rows| of_new_rows * gain);
    Ok(trained.with_facts(facts.with_error(error)))
}
