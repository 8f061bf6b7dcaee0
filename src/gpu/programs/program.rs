//! Recipes compiled on a device.

use std::sync::{Arc, OnceLock};

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, CommandEncoder, ComputePassDescriptor,
    ComputePipeline, ComputePipelineDescriptor, PipelineCompilationOptions, ShaderModuleDescriptor,
    ShaderRuntimeChecks, ShaderSource,
};

use super::super::chunk::{ChunkMemory, Timestamps};
use super::super::device::Gpu;
use super::super::kernels::{Binding, Kernel, KernelOptions, Resident};
use super::recipe::{Recipe, missing_resident};
use super::verbs;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::plan::{RowLayout, Section, count};

/// The programs of one model on one device, over data that is there once.
pub(crate) struct Programs {
    pub(crate) encode: Arc<Program>,
    pub(crate) encode_latent: Arc<Program>,
    pub(crate) decode: Arc<Program>,
    pub(crate) decode_f16: Arc<Program>,
    pub(crate) decode_latent: Arc<Program>,
    encode_f16: OnceLock<Arc<Program>>,
    encode_f16_recipe: Recipe,
    pad: OnceLock<Arc<Program>>,
    pad_recipe: Recipe,
    residents: Vec<(Resident, Buffer)>,
}

impl Programs {
    pub(crate) fn new(gpu: &Gpu, model: &Model, options: KernelOptions) -> Result<Self> {
        let recipes = verbs::recipes(model, gpu.caps(), options);
        for recipe in recipes.all() {
            recipe.check(&recipes.residents, gpu.caps())?;
        }
        let residents = upload(gpu, &recipes.residents)?;
        let program = |recipe: &Recipe| Program::new(gpu, recipe, &residents).map(Arc::new);
        Ok(Self {
            encode: program(&recipes.encode)?,
            encode_latent: program(&recipes.encode_latent)?,
            decode: program(&recipes.decode)?,
            decode_f16: program(&recipes.decode_f16)?,
            decode_latent: program(&recipes.decode_latent)?,
            encode_f16: OnceLock::new(),
            encode_f16_recipe: recipes.encode_f16,
            pad: OnceLock::new(),
            pad_recipe: recipes.pad,
            residents,
        })
    }

    /// Encodes rows of f16. Compiled when it is first asked for, because most models never see such
    /// rows and compiling takes long.
    pub(crate) fn encode_f16(&self, gpu: &Gpu) -> Result<Arc<Program>> {
        self.late(gpu, &self.encode_f16, &self.encode_f16_recipe)
    }

    /// Pads rows. Compiled when it is first asked for, too.
    pub(crate) fn pad(&self, gpu: &Gpu) -> Result<Arc<Program>> {
        self.late(gpu, &self.pad, &self.pad_recipe)
    }

    fn late(
        &self,
        gpu: &Gpu,
        cell: &OnceLock<Arc<Program>>,
        recipe: &Recipe,
    ) -> Result<Arc<Program>> {
        if let Some(program) = cell.get() {
            return Ok(program.clone());
        }
        let program = Program::new(gpu, recipe, &self.residents)?;
        Ok(cell.get_or_init(|| Arc::new(program)).clone())
    }
}

/// A recipe compiled on a device.
pub(crate) struct Program {
    recipe: Recipe,
    passes: Vec<Pass>,
}

/// One compiled kernel, and what it is bound to.
struct Pass {
    pipeline: ComputePipeline,
    bindings: Vec<ResolvedBinding>,
}

/// A binding whose resident buffer has been found.
enum ResolvedBinding {
    Params,
    Resident(Buffer),
    Section(Section),
    Unused,
}

impl Program {
    pub(crate) fn new(
        gpu: &Gpu,
        recipe: &Recipe,
        residents: &[(Resident, Buffer)],
    ) -> Result<Self> {
        let resolve = |binding: &Binding| match binding {
            Binding::Params => Ok(ResolvedBinding::Params),
            Binding::Section(section) => Ok(ResolvedBinding::Section(*section)),
            Binding::Unused => Ok(ResolvedBinding::Unused),
            Binding::Search(buffer) => {
                let detail = format!("{} names {buffer:?} of a search", recipe.verb);
                Err(Error::Internal { detail })
            }
            Binding::Resident(wanted) => {
                match residents.iter().find(|(found, _)| found == wanted) {
                    Some((_, buffer)) => Ok(ResolvedBinding::Resident(buffer.clone())),
                    None => Err(missing_resident(recipe.verb, *wanted)),
                }
            }
        };
        let pass = |kernel: &Kernel| {
            let bindings = kernel.bindings.iter().map(resolve).collect::<Result<_>>()?;
            Ok(Pass { pipeline: compile(gpu, kernel)?, bindings })
        };
        let passes = recipe.kernels.iter().map(pass).collect::<Result<_>>()?;
        Ok(Self { recipe: recipe.clone(), passes })
    }

    /// The verb, which is also the key of its slots.
    pub(crate) fn verb(&self) -> &'static str {
        self.recipe.verb
    }

    pub(crate) fn layout(&self) -> &RowLayout {
        &self.recipe.layout
    }

    /// The largest number of rows of a chunk of `bytes` bytes.
    pub(crate) fn chunk_rows(&self, gpu: &Gpu, bytes: u64) -> Result<usize> {
        self.recipe.chunk_rows(gpu.caps(), bytes)
    }

    /// Bind groups of all kernels for the memory of a chunk.
    pub(crate) fn bind(&self, gpu: &Gpu, memory: &impl ChunkMemory) -> Result<Vec<BindGroup>> {
        let mut entries = Vec::with_capacity(self.passes.len());
        for pass in &self.passes {
            entries.push(pass.entries(memory)?);
        }
        gpu.with_error_scopes("the bind groups of a chunk", || {
            let bind = |(pass, entries): (&Pass, &Vec<BindGroupEntry<'_>>)| {
                gpu.device().create_bind_group(&BindGroupDescriptor {
                    label: Some(self.recipe.verb),
                    layout: &pass.pipeline.get_bind_group_layout(0),
                    entries,
                })
            };
            self.passes.iter().zip(&entries).map(bind).collect()
        })
    }

    /// The number of passes that `record` makes.
    pub(crate) fn passes(&self) -> u32 {
        count(self.passes.len())
    }

    /// Records the kernels for a chunk of `rows` rows. Each has a pass of its own, which orders
    /// them.
    pub(crate) fn record(
        &self,
        encoder: &mut CommandEncoder,
        bind_groups: &[BindGroup],
        rows: usize,
        timestamps: Option<&Timestamps>,
    ) {
        let steps = self.passes.iter().zip(&self.recipe.kernels).zip(bind_groups);
        for (number, ((pass, kernel), bind_group)) in (0..).zip(steps) {
            let mut encoded = encoder.begin_compute_pass(&ComputePassDescriptor {
                label: Some(&kernel.name),
                timestamp_writes: timestamps.map(|t| t.writes(number)),
            });
            let [x, y, z] = kernel.grid.groups(count(rows));
            encoded.set_pipeline(&pass.pipeline);
            encoded.set_bind_group(0, bind_group, &[]);
            encoded.dispatch_workgroups(x, y, z);
        }
    }
}

impl Pass {
    fn entries<'a>(&'a self, memory: &'a impl ChunkMemory) -> Result<Vec<BindGroupEntry<'a>>> {
        let entry = |(binding, resolved): (u32, &'a ResolvedBinding)| {
            let resource = match resolved {
                ResolvedBinding::Params => memory.params(),
                ResolvedBinding::Resident(buffer) => buffer.as_entire_binding(),
                ResolvedBinding::Section(section) => match memory.section(*section) {
                    Ok(resource) => resource,
                    Err(error) => return Some(Err(error)),
                },
                ResolvedBinding::Unused => return None,
            };
            Some(Ok(BindGroupEntry { binding, resource }))
        };
        (0..).zip(&self.bindings).filter_map(entry).collect()
    }
}

/// Uploads data of a model.
pub(crate) fn upload(
    gpu: &Gpu,
    residents: &[(Resident, Vec<u8>)],
) -> Result<Vec<(Resident, Buffer)>> {
    let upload = |(resident, bytes): &(Resident, Vec<u8>)| {
        Ok((*resident, gpu.resident(resident.label(), bytes)?))
    };
    residents.iter().map(upload).collect()
}

/// Compiles a kernel.
pub(crate) fn compile(gpu: &Gpu, kernel: &Kernel) -> Result<ComputePipeline> {
    gpu.with_error_scopes("a compute pipeline", || pipeline(gpu, kernel))
}

fn pipeline(gpu: &Gpu, kernel: &Kernel) -> ComputePipeline {
    let descriptor = ShaderModuleDescriptor {
        label: Some(&kernel.name),
        source: ShaderSource::Wgsl(kernel.wgsl().into()),
    };
    // SAFETY: a shader must not index beyond a binding or an array, and must not loop for ever.
    // (a) A chunk has at most as many rows as its buffers have room for: `Slot::fill` and `codec::record`
    //     check it, and write that number to `params.rows`, to which shaders clamp rows of any values.
    // (b) A section has capacity x row_bytes bytes, of the `RowLayout` that `programs::verbs` makes
    //     from the sizes it makes the kernels' constants from. Resident data has the sizes of those
    //     constants, too. Starts of regions are bounded, and rows of an order clamped, where made.
    // (c) Windows, tables and decisions are within what `BitPlan::new` and `Trellis::new` bound.
    // (d) Indices of workgroup arrays depend on constants and the thread's number alone.
    // (e) The number of passes of each loop is a constant of the kernel, or is bounded by the rows.
    // (f) A search visits the tiles of a shard (`Round::of_shard`), whose buffers `SearchLayout` sizes, and
    //     adds no candidate beyond the capacity of a list.
    // `gpu::tests::index_ranges` and `search_ranges` run every kernel that an adapter can run with each
    // index of (a) to (f) compared to the length of what it indexes, and fail on the first one beyond.
    #[expect(unsafe_code, reason = "bounds checks cost a factor of 2 to 6")]
    let module = unsafe { gpu.device().create_shader_module_trusted(descriptor, runtime_checks()) };
    gpu.device().create_compute_pipeline(&ComputePipelineDescriptor {
        label: Some(&kernel.name),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: PipelineCompilationOptions {
            constants: &kernel.constants,
            // Every tile is written before it is read.
            zero_initialize_workgroup_memory: false,
        },
        cache: gpu.pipeline_cache(),
    })
}

/// All of wgpu's checks where `VECODEC_CHECKED_SHADERS` asks for them, else none.
fn runtime_checks() -> ShaderRuntimeChecks {
    match std::env::var_os("VECODEC_CHECKED_SHADERS").is_some() {
        true => ShaderRuntimeChecks::checked(),
        false => ShaderRuntimeChecks::unchecked(),
    }
}
