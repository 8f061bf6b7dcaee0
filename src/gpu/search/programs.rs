//! The kernels of a search compiled on a device.

use std::sync::OnceLock;

use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, CommandEncoder,
    ComputePassDescriptor, ComputePipeline,
};

use super::super::device::Gpu;
use super::super::kernels::{AtOnce, Binding, Kernel, Resident, SearchBuffer, select};
use super::super::programs::{compile, upload};
use super::layout::SearchLayout;
use super::resident::{ResidentRows, RowBudget, Share};
use crate::error::Result;
use crate::model::Model;
use crate::search::{Batch, FastProducts, Metric, Queries};

/// What a search runs on a device, for one model and one metric.
pub(crate) struct SearchPrograms {
    pub(super) layout: SearchLayout,
    scans: Vec<(AtOnce, SearchProgram)>,
    /// Where rows are scored by bundles of latents.
    pub(super) bundle_tables: Option<SearchProgram>,
    pub(super) select: SearchProgram,
    /// What searches from and into buffers of the caller's need. Most indexes never see one.
    ends: OnceLock<Ends>,
}

/// The programs at both ends of a search from and into buffers.
pub(super) struct Ends {
    projections: [SearchProgram; 2],
    pub(super) rank: SearchProgram,
}

/// One compiled kernel.
pub(super) struct SearchProgram {
    kernel: Kernel,
    pipeline: ComputePipeline,
    residents: Vec<(Resident, Buffer)>,
}

impl SearchPrograms {
    pub(crate) fn new(gpu: &Gpu, model: &Model, metric: Metric) -> Result<Self> {
        let layout = SearchLayout::new(model, metric, gpu.caps());
        let residents = upload(gpu, &layout.residents())?;
        let program = |kernel: Kernel| SearchProgram::new(gpu, kernel, &residents);
        let scan = |(at_once, kernel)| Ok((at_once, program(kernel)?));
        let scans = layout.scans().into_iter().map(scan).collect::<Result<_>>()?;
        let bundle_tables = layout.bundle_tables().map(program).transpose()?;
        let select = program(select())?;
        Ok(Self { layout, scans, bundle_tables, select, ends: OnceLock::new() })
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

    /// How products of these queries with rows are computed.
    pub(crate) fn products(&self, model: &Model, queries: &Queries) -> FastProducts {
        self.layout.products(model, queries)
    }

    pub(super) fn scan(&self, at_once: AtOnce) -> &SearchProgram {
        let found = self.scans.iter().find(|(found, _)| *found == at_once);
        &found.expect("a layout has the kernels of its groups").1
    }
}

impl SearchProgram {
    fn new(gpu: &Gpu, kernel: Kernel, residents: &[(Resident, Buffer)]) -> Result<Self> {
        kernel.check(gpu.caps())?;
        let pipeline = compile(gpu, &kernel)?;
        Ok(Self { kernel, pipeline, residents: residents.to_vec() })
    }

    /// Records the kernel on buffers.
    pub(super) fn record<'a>(
        &'a self,
        gpu: &Gpu,
        encoder: &mut CommandEncoder,
        [x, y]: [u32; 2],
        buffer: impl Fn(SearchBuffer) -> BindingResource<'a>,
    ) {
        let entry = |(number, binding): (u32, &Binding)| {
            let resource = match binding {
                Binding::Search(wanted) => buffer(*wanted),
                Binding::Resident(wanted) => {
                    let found = self.residents.iter().find(|(resident, _)| resident == wanted);
                    found.expect("a layout has the residents of its kernels").1.as_entire_binding()
                }
                _ => return None,
            };
            Some(BindGroupEntry { binding: number, resource })
        };
        let entries: Vec<BindGroupEntry<'_>> =
            (0..).zip(&self.kernel.bindings).filter_map(entry).collect();
        let bind_group = gpu.device().create_bind_group(&BindGroupDescriptor {
            label: Some(&self.kernel.name),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
            label: Some(&self.kernel.name),
            timestamp_writes: None,
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }
}

impl Ends {
    fn new(gpu: &Gpu, layout: &SearchLayout, model: &Model) -> Result<Self> {
        let residents = upload(gpu, &[layout.query_weights(model, gpu.caps())?])?;
        let program = |kernel: Kernel| SearchProgram::new(gpu, kernel, &residents);
        let [one, four] = layout.projections(model.config().dim);
        let rank = program(layout.rank())?;
        Ok(Self { projections: [program(one)?, program(four)?], rank })
    }

    pub(super) fn projection(&self, at_once: AtOnce) -> &SearchProgram {
        &self.projections[usize::from(at_once != AtOnce::One)]
    }
}
