//! Fitting a model to rows.

mod axes;
mod bits;
mod facts;
#[cfg(feature = "files")]
mod file;
mod measure;
mod options;
mod principal;
mod queries;
mod regions;
mod stages;
mod warm_start;
mod warnings;

pub use self::options::{CancelToken, FitOptions, FitReport, FitStage};
pub use self::warnings::FitWarning;

use self::axes::memory_bytes;
use self::bits::{Fitted, MOST_ROWS};
use self::facts::facts;
use self::measure::{
    HELD_OUT_ROWS, MEASURED_ROWS, dominant_direction, relative_error, sampled, split,
};
use self::principal::{principal_components, refit_decoder};
use self::stages::Stages;
use self::warm_start::WarmStart;
use self::warnings::ROWS_PER_LATENT;
use super::{Model, ModelConfig};
use crate::error::{Error, Result};
use crate::memory;
use crate::rows::Rows;

impl Model {
    /// Fits a model to training rows `[n, dim]`. The same rows give the same model.
    ///
    /// A linear model is principal component analysis. Encoder and decoder are the eigenvectors of
    /// the rows' covariance with the largest eigenvalues. The biases hold the mean. With a ReLU or
    /// a normalised latent the encoder is the same, except that its bias is shifted up before a
    /// ReLU. The decoder then minimises the squared error over the *quantised* latents of the rows.
    ///
    /// With [bit codes](ModelConfig::bits), rows are divided into [regions](crate::Regions), each with
    /// principal components of its own. Bits go where they remove the most error, or the most error of
    /// the scores of queries ([`Objective`](crate::Objective)). Lloyd's iteration then trains the levels
    /// on the latents of the rows. What the configuration leaves open is chosen on rows that are held out:
    /// a tenth of them, 4,096 at most.
    ///
    /// The error of new rows is estimated on the rows that are held out ([`FitFacts`](crate::FitFacts)). For
    /// that the axes are computed once more without them; for 8-bit codes, where there are fewer than a
    /// hundred rows for each latent.
    ///
    /// The time grows as `n dim^2 + dim^3`, the memory as `dim^2`, and up to two copies of the rows in use.
    /// Both grow as `n^2 dim` and `n^2` where there are fewer rows than values and too few to hold out
    /// queries. It computes on the CPU.
    ///
    /// # Errors
    /// The configuration is not valid, there are no rows, the length is not a multiple of `dim`, a
    /// value is not finite, there are fewer rows than latents of 8-bit codes, the matrices of the fit
    /// exceed the memory, or the squares of the values leave the range of `f64`.
    pub fn fit(rows: &[f32], config: impl Into<ModelConfig>) -> Result<Self> {
        Ok(Self::fit_with(rows, config, FitOptions::default())?.0)
    }

    /// Fits a model as [`fit`](Self::fit) does, reports each stage as it ends, and can be
    /// cancelled. The queries, the seed and the model to start from change the result; the other options do
    /// not. Where a step takes fewer rows than there are, the seed draws them, the same on every machine.
    ///
    /// Cancellation is noticed between blocks of rows and iterations of the training. Only the
    /// eigenvectors of the covariance `[dim, dim]` are computed without a break.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit), [`Error::Cancelled`], and a model to start from of another shape.
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
        let warm = options.warm_start().map(|old| WarmStart::new(&config, old)).transpose()?;
        let bits = warm.as_ref().map(|warm| warm.config.clone()).or_else(|| config.as_bits());
        let max_regions = bits.as_ref().map_or(1, |bits| bits::max_regions(bits, rows.len()));
        // The rows that are used, and those of them that are not held out.
        let (copies, used) = match &bits {
            Some(_) => (2, rows.len().min(MOST_ROWS)),
            None => (1, rows.len().min(ROWS_OF_LITTLE_BIAS * config.latent_dim)),
        };
        let copied = memory::bytes_of::<f32>(&[copies, used, config.dim]).unwrap_or(u64::MAX);
        let required = memory_bytes(&config, rows.len(), max_regions).saturating_add(copied);
        memory::check_bytes("the matrices of the fit", required)?;
        options.cancel().check()?;
        rows.check_finite(0..rows.len())?;
        if let Some(queries) = options.queries() {
            let queries = Rows::flat("queries", queries, config.dim)?;
            queries.check_finite(0..queries.len())?;
        }
        let mut stages = Stages::new(options);
        let Fitted { model, rows_used, mut warnings } = match (warm, bits) {
            (Some(warm), _) => warm.fit(&rows, &mut stages)?,
            (None, Some(bits)) => bits::fit(&rows, &bits, &mut stages)?,
            (None, None) => fit_codes(&rows, &config, &mut stages)?,
        };
        let wanted = ROWS_PER_LATENT * model.config().latent_dim;
        if rows_used < wanted {
            warnings.push(FitWarning::FewRows { rows: rows_used, wanted });
        }
        let report = FitReport {
            rows: rows.len(),
            rows_used,
            stages: stages.into_stages(),
            bits_per_latent: (0..model.region_count())
                .filter_map(|region| model.bits_per_latent(region))
                .collect(),
            has_row_scales: model.config().has_row_scales(),
            query_exponent: model.fit_facts().map_or(0.0, |facts| facts.query_exponent as f32),
            warnings,
        };
        Ok((model, report))
    }
}

/// 8-bit codes of fewer rows than these for each latent have noticeably less error on the rows of the fit
/// than on new rows.
const ROWS_OF_LITTLE_BIAS: usize = 100;

/// A model of 8-bit codes.
fn fit_codes(rows: &Rows<'_>, config: &ModelConfig, stages: &mut Stages<'_>) -> Result<Fitted> {
    let (cancel, seed) = (stages.cancel(), stages.seed());
    let sample = sampled(rows, MEASURED_ROWS, seed);
    let flat = rows.contiguous(&(0..rows.len())).expect("training rows are flat");
    let mut end = |name: &str, model: &Model| {
        let error = relative_error(model, &sample);
        stages.end(name, error).map(|()| error)
    };
    let (model, mut error) = linear_model(flat, config, &cancel, &mut end)?;
    if rows.len() < ROWS_OF_LITTLE_BIAS * config.latent_dim {
        let (train, held_out) = split(flat, config.dim, HELD_OUT_ROWS, seed);
        let (model, _) = linear_model(&train, config, &cancel, &mut |_, _| Ok(0.0))?;
        let of_new_rows = relative_error(&model, &held_out);
        // Rows of zeros may have an error and have no energy.
        error = if of_new_rows.is_finite() { of_new_rows } else { error };
    }
    let warnings = dominant_direction(&model, &sample).into_iter().collect();
    let model = model.with_facts(facts(flat, config.dim, 0.0).with_error(error));
    Ok(Fitted { model, rows_used: rows.len(), warnings })
}

/// The linear model of rows `[rows, dim]`. `end` gets the name of each stage and the model after it, and
/// gives an error, of which the last is returned.
fn linear_model(
    rows: &[f32],
    config: &ModelConfig,
    cancel: &CancelToken,
    end: &mut dyn FnMut(&str, &Model) -> Result<f64>,
) -> Result<(Model, f64)> {
    let mut weights = principal_components(rows, config, cancel)?;
    let model = Model::from_weights(config.clone(), weights.clone())?;
    let error = end("principal components", &model)?;
    if config.is_linear() {
        return Ok((model, error));
    }
    let rows = Rows::flat("training rows", rows, config.dim)?;
    refit_decoder(&rows, config, &mut weights, cancel)?;
    let model = Model::from_weights(config.clone(), weights)?;
    let error = end("decoder by least squares", &model)?;
    Ok((model, error))
}
