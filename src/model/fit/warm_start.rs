//! Fits that start from an old model: its regions and tables, and what it chose.

use super::super::{BitsConfig, Model, ModelConfig, Objective, Regions, RowNorm};
use super::bits::{Fitted, MOST_ROWS, fit_regions, trainer};
use super::measure::sampled;
use super::queries::Moments;
use super::regions::Goal;
use super::stages::Stages;
use crate::error::{Error, Result};
use crate::mixture::Mixture;
use crate::rows::Rows;

/// An old model, and the configuration with what it chose.
pub(super) struct WarmStart<'m> {
    pub(super) config: BitsConfig,
    mixture: &'m Mixture,
    query_exponent: f64,
}

impl<'m> WarmStart<'m> {
    /// Fails if the old model has another shape.
    pub(super) fn new(new: &ModelConfig, old: &'m Model) -> Result<Self> {
        let Some(config) = new.as_bits() else {
            let remedy =
                "8-bit codes are fitted in closed form, so leave out the model to start from";
            let (field, value) = ("latent_dim", new.latent_dim);
            return Err(Error::InvalidConfig { field, value, remedy });
        };
        let differ = |what, expected, found| Err(Error::WarmStart { what, expected, found });
        let Some(mixture) = old.mixture() else {
            let remedy = "the model to start from has 8-bit codes, or is of an earlier version: start \
                          from another, or fit without one";
            let (field, value) = ("bytes", config.bytes);
            return Err(Error::InvalidConfig { field, value, remedy });
        };
        let query_exponent = old.fit_facts().map_or(0.0, |facts| facts.query_exponent);
        let (old, regions) = (old.config(), old.region_count());
        let states = |config: &ModelConfig| 1 << config.window().state_bits();
        let norm_bytes = |config: &ModelConfig| config.code_size() - config.packed_size();
        for (what, expected, found) in [
            ("values per row", new.dim, old.dim),
            ("bytes per row", new.code_size(), old.code_size()),
            ("states of the trellis", states(new), states(old)),
        ] {
            if expected != found {
                return differ(what, expected, found);
            }
        }
        if let Regions::Count(count) = config.regions
            && count != regions
        {
            return differ("regions", count, regions);
        }
        let row_norm = old.row_norm().unwrap_or_default();
        let config = config.with_regions(Regions::Count(regions));
        let wanted = norm_bytes(new);
        let config = match config.row_norm {
            RowNorm::Auto => config.with_row_norm(row_norm),
            _ if wanted == norm_bytes(old) => config,
            _ => return differ("bytes of a row's norm", wanted, norm_bytes(old)),
        };
        Ok(Self { config, mixture, query_exponent })
    }

    /// A model of rows.
    pub(super) fn fit(self, rows: &Rows<'_>, stages: &mut Stages<'_>) -> Result<Fitted> {
        let Self { config, mixture, query_exponent } = self;
        let used = sampled(rows, MOST_ROWS, stages.seed());
        let rows_used = used.len() / config.dim;
        let cancel = stages.cancel();
        let check = || cancel.check();
        let tables = mixture.regions()[0].plan.tables();
        let trainer = trainer(&used, &config, stages, &check)?.starting_from(tables);
        let mut goal = Goal { distortions: trainer.distortions(), queries: None };
        let moments;
        if config.objective == Objective::Search && query_exponent > 0.0 {
            let queries = stages.queries().unwrap_or(&used);
            let queries = Rows::flat("queries", queries, config.dim)?;
            moments = Moments::of(&queries, stages.seed(), &cancel)?;
            goal = goal.weighted(&moments, query_exponent);
        }
        let model = fit_regions(used, &config, &trainer, goal, Some(mixture), stages)?;
        Ok(Fitted::new(model, rows_used))
    }
}
