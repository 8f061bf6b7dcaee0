//! One kernel of a search compiled on a device.

use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, CommandEncoder, ComputePass,
    ComputePassDescriptor, ComputePipeline,
};

use super::super::device::Gpu;
use super::super::kernels::{Binding, Kernel, Resident, SearchBuffer};
use super::super::programs::compile;
use crate::error::Result;

/// One pass for all dispatches of a search: beginning one for each takes the host longer.
pub(super) fn begin_pass(encoder: &mut CommandEncoder) -> ComputePass<'_> {
    encoder.begin_compute_pass(&ComputePassDescriptor {
        label: Some("vecodec.search"),
        timestamp_writes: None,
    })
}

/// One compiled kernel.
pub(super) struct SearchProgram {
    kernel: Kernel,
    pipeline: ComputePipeline,
    residents: Vec<(Resident, Buffer)>,
}

impl SearchProgram {
    pub(super) fn new(gpu: &Gpu, kernel: Kernel, residents: &[(Resident, Buffer)]) -> Result<Self> {
        kernel.check(gpu.caps())?;
        let pipeline = compile(gpu, &kernel)?;
        Ok(Self { kernel, pipeline, residents: residents.to_vec() })
    }

    /// Records the kernel on buffers.
    pub(super) fn record<'a>(
        &'a self,
        gpu: &Gpu,
        pass: &mut ComputePass<'_>,
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
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }
}
