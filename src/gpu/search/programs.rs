//! The kernels of a search compiled on a device.

use std::sync::OnceLock;

use super::super::device::Gpu;
use super::super::kernels::{AtOnce, Kernel, select};
use super::super::programs::upload;
use super::layout::SearchLayout;
use super::program::SearchProgram;
use super::projection::Projection;
use super::resident::{ResidentRows, RowBudget, Share};
use crate::error::Result;
use crate::model::Model;
use crate::search::{Batch, Metric, ScaledQueries, View, device_slacks};

/// What a search runs on a device, for one model and one metric.
pub(crate) struct SearchPrograms {
    pub(super) layout: SearchLayout,
    scans: Vec<(AtOnce, SearchProgram)>,
    /// Where rows are scored by bundles of latents.
    pub(super) bundle_tables: Option<SearchProgram>,
    /// Where rows are multiplied in integers.
    pub(super) quads: Option<QuadPrograms>,
    pub(super) select: SearchProgram,
    pub(super) projection: Projection,
    /// What searches from and into buffers of the caller's need. Most indexes never see one.
    ends: OnceLock<Ends>,
}

/// The programs around scans in integers of 8 bits.
pub(super) struct QuadPrograms {
    /// They round queries, one by one and in groups of four.
    pub(super) queries: Vec<(AtOnce, SearchProgram)>,
    near_scores: SearchProgram,
}

/// The programs at both ends of a search from and into buffers.
pub(super) struct Ends {
    pub(super) prepare: SearchProgram,
    pub(super) rank: SearchProgram,
}

impl SearchPrograms {
    pub(crate) fn new(gpu: &Gpu, model: &Model, metric: Metric) -> Result<Self> {
        let layout = SearchLayout::new(model, metric, gpu.caps());
        let residents = upload(gpu, &layout.residents())?;
        let program = |kernel: Kernel| SearchProgram::new(gpu, kernel, &residents);
        let of_queries = |(at_once, kernel)| Ok((at_once, program(kernel)?));
        let scans = layout.scans().into_iter().map(of_queries).collect::<Result<_>>()?;
        let bundle_tables = layout.bundle_tables().map(program).transpose()?;
        let quads = layout.near_scores().map(|kernel| {
            let queries =
                layout.quad_queries().into_iter().map(of_queries).collect::<Result<_>>()?;
            Ok(QuadPrograms { queries, near_scores: program(kernel)? })
        });
        let quads = quads.transpose()?;
        let select = program(select())?;
        let projection = Projection::new(gpu, &layout, model)?;
        let ends = OnceLock::new();
        Ok(Self { layout, scans, bundle_tables, quads, select, projection, ends })
    }

    /// Compiled when it is first asked for.
    pub(super) fn ends(&self, gpu: &Gpu, model: &Model) -> Result<&Ends> {
        if let Some(ends) = self.ends.get() {
            return Ok(ends);
        }
        let ends = Ends::new(gpu, &self.layout, model)?;
        Ok(self.ends.get_or_init(|| ends))
    }

    /// Uploads a part of the rows of a batch.
    ///
    /// # Errors
    /// The device's memory and the host's are full, or the device is lost.
    pub(crate) fn upload(
        &self,
        gpu: &Gpu,
        batch: &Batch,
        share: Share,
        budget: &RowBudget,
    ) -> Result<ResidentRows> {
        ResidentRows::new(gpu, &self.layout, batch, share, budget)
    }

    /// Twice the bounds on the errors of the queries' keys; none for a query of which no bound is known.
    pub(crate) fn slacks(
        &self,
        model: &Model,
        views: &[View<'_>],
        queries: &ScaledQueries,
    ) -> Vec<Option<f32>> {
        let products = self.layout.products(model, queries.count());
        device_slacks(model, views, queries, &self.projection.norms, products)
    }

    /// The program that scores candidates in f32 that were found in integers.
    pub(super) fn near_scores(&self) -> &SearchProgram {
        &self.quads.as_ref().expect("a layout has the kernels of its groups").near_scores
    }

    pub(super) fn scan(&self, at_once: AtOnce) -> &SearchProgram {
        let found = self.scans.iter().find(|(found, _)| *found == at_once);
        &found.expect("a layout has the kernels of its groups").1
    }
}

impl Ends {
    fn new(gpu: &Gpu, layout: &SearchLayout, model: &Model) -> Result<Self> {
        let program = |kernel: Kernel| SearchProgram::new(gpu, kernel, &[]);
        let prepare = program(layout.prepare(model.config().dim))?;
        Ok(Self { prepare, rank: program(layout.rank())? })
    }
}
