//! Pipelines, and programs of up to three of them over the sections of a chunk.

use std::borrow::Cow;

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    CommandEncoder, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor,
    PipelineCompilationOptions, ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource,
};

use super::buffers::Buffers;
use super::context::Gpu;
use super::timestamps::Timestamps;
use crate::error::Result;
use crate::plan::{Grid, RowLayout, count};

/// A shader's text: files of `shaders`, one after the other.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) label: &'static str,
    pub(super) files: Cow<'static, [&'static str]>,
}

impl Source {
    pub(super) fn wgsl(&self) -> String {
        self.files.concat()
    }
}

/// What a pipeline is compiled from: the source's `main`.
pub(super) struct Variant {
    pub(super) source: Source,
    /// Values of all of the shader's `override` constants, by name.
    pub(super) constants: Vec<(&'static str, f64)>,
}

/// What stands at a binding, which is its place in the list.
#[derive(Clone, Debug)]
pub(super) enum Binding {
    /// The parameters in front of the input.
    Params,
    /// A buffer of the model's.
    Resident(Buffer),
    /// A section of the input.
    Input(usize),
    /// A buffer that lies between two steps.
    Scratch(usize),
    /// A section of the output.
    Output(usize),
}

/// One dispatch over a chunk.
pub(super) struct Step {
    pipeline: ComputePipeline,
    bindings: Vec<Binding>,
    grid: Grid,
}

impl Step {
    pub(super) fn new(
        gpu: &Gpu,
        variant: &Variant,
        bindings: Vec<Binding>,
        grid: Grid,
    ) -> Result<Self> {
        let pipeline = gpu.scoped(variant.source.label, || pipeline(gpu, variant))?;
        Ok(Self { pipeline, bindings, grid })
    }
}

fn pipeline(gpu: &Gpu, variant: &Variant) -> ComputePipeline {
    let Variant { source, constants } = variant;
    let descriptor = ShaderModuleDescriptor {
        label: Some(source.label),
        source: ShaderSource::Wgsl(source.wgsl().into()),
    };
    // SAFETY: every index a shader forms is below a product of `params.rows`, or of the rows a
    // grid covers clamped to it, with the shape constants; the host fills both from one `Shape`
    // and one `RowLayout`, and binds sections of at least that size (`plan`); a search also forms
    // them from a `BitPlan` that was checked, and from windows cut to their bits. Every loop counts
    // up to such a value. `VECODEC_CHECKED_SHADERS` builds the same shaders with all checks.
    #[expect(unsafe_code, reason = "bounds checks cost 2-6x, and the host proves every range")]
    let module = unsafe { gpu.device().create_shader_module_trusted(descriptor, runtime_checks()) };
    gpu.device().create_compute_pipeline(&ComputePipelineDescriptor {
        label: Some(source.label),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: PipelineCompilationOptions {
            constants,
            // Every tile is written before it is read.
            zero_initialize_workgroup_memory: false,
        },
        cache: gpu.pipelines(),
    })
}

fn runtime_checks() -> ShaderRuntimeChecks {
    match checked() {
        true => ShaderRuntimeChecks::checked(),
        false => ShaderRuntimeChecks::unchecked(),
    }
}

/// Whether shaders are built with all of wgpu's checks, for tests.
fn checked() -> bool {
    std::env::var_os("VECODEC_CHECKED_SHADERS").is_some()
}

/// What one verb does to a chunk: where its rows lie, and the steps from input to output.
pub(crate) struct Program {
    pub(crate) label: &'static str,
    pub(crate) layout: RowLayout,
    pub(super) steps: Vec<Step>,
}

impl Program {
    /// The most rows of a chunk of so many bytes.
    pub(crate) fn chunk_rows(&self, gpu: &Gpu, bytes: u64) -> Result<usize> {
        let caps = gpu.caps();
        let grids: Vec<Grid> = self.steps.iter().map(|step| step.grid).collect();
        self.layout.chunk_rows(&caps.limits, &grids, bytes)
    }

    /// Bind groups of all steps for one slot's buffers.
    pub(crate) fn bind(&self, gpu: &Gpu, buffers: &Buffers) -> Vec<BindGroup> {
        let bind = |step: &Step| {
            let entries: Vec<BindGroupEntry<'_>> = (0..)
                .zip(&step.bindings)
                .map(|(binding, what)| BindGroupEntry {
                    binding,
                    resource: resource(what, buffers),
                })
                .collect();
            gpu.device().create_bind_group(&BindGroupDescriptor {
                label: Some(self.label),
                layout: &step.pipeline.get_bind_group_layout(0),
                entries: &entries,
            })
        };
        self.steps.iter().map(bind).collect()
    }

    /// How many passes `record` makes.
    pub(crate) fn passes(&self) -> u32 {
        count(self.steps.len())
    }

    /// Records the steps for a chunk of `rows` rows, each in a pass, which orders them.
    pub(crate) fn record(
        &self,
        encoder: &mut CommandEncoder,
        bound: &[BindGroup],
        rows: usize,
        timestamps: Option<&Timestamps>,
    ) {
        for (pass, (step, bind_group)) in (0..).zip(self.steps.iter().zip(bound)) {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
                label: Some(self.label),
                timestamp_writes: timestamps.map(|t| t.writes(pass)),
            });
            let [x, y, z] = step.grid.groups(count(rows));
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }
}

fn resource<'a>(binding: &'a Binding, buffers: &'a Buffers) -> BindingResource<'a> {
    let section = |buffer: &'a Buffer, (offset, bytes): (u64, u64)| {
        let size = std::num::NonZeroU64::new(bytes);
        BindingResource::Buffer(BufferBinding { buffer, offset, size })
    };
    match binding {
        Binding::Params => section(&buffers.input, (0, size_of::<super::Params>() as u64)),
        Binding::Resident(buffer) => buffer.as_entire_binding(),
        Binding::Input(index) => section(&buffers.input, buffers.inputs.places[*index]),
        Binding::Output(index) => section(&buffers.output, buffers.outputs.places[*index]),
        // A program that names it has it.
        Binding::Scratch(index) => {
            buffers.scratch[*index].as_ref().unwrap_or(&buffers.output).as_entire_binding()
        }
    }
}

#[cfg(test)]
mod tests;
