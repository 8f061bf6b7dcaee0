//! Every index that a shader forms, compared with the length of what it indexes.
//!
//! Shaders run without bounds checks. Here each kernel that the adapter can run is rebuilt with its
//! accesses instrumented, `name[index]` becoming `name[probe_name(index)]`, and is run with bindings
//! of exactly the bytes that the host sizes for the chunk. A probe notes an index at or beyond the
//! length of a binding or of an array in workgroup memory.

use std::collections::{BTreeMap, BTreeSet};

use wgpu::util::{BufferInitDescriptor, DeviceExt as _};
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages, ComputePipeline,
    ComputePipelineDescriptor, MapMode, PipelineCompilationOptions, PollType,
    ShaderModuleDescriptor, ShaderSource,
};

use super::super::chunk::Params;
use super::super::device::Gpu;
use super::super::kernels::{Binding, Kernel, KernelOptions, Resident, Tiling};
use super::super::programs::Recipe;
use super::{all_options, bits_model, int8_model, models, recipes};
use crate::plan::{Section, count};

/// An array of a shader: its name, its length as an expression, and where its violations are counted.
struct Array {
    name: String,
    len: String,
    number: usize,
}

/// The storage arrays of a shader, counted at their binding, and its workgroup arrays after them.
fn arrays(wgsl: &str) -> Vec<Array> {
    let mut found = Vec::new();
    let after = |line: &str, mark| line.split_once(mark).map(|(_, rest)| rest.to_owned());
    let name = |rest: &str| rest.split(':').next().unwrap_or_default().trim().to_owned();
    for line in wgsl.lines() {
        if line.contains("var<storage") {
            let binding = after(line, "@binding(").unwrap();
            let name = name(&after(line, "> ").unwrap());
            let number = binding.split(')').next().unwrap().parse().unwrap();
            found.push(Array { len: format!("arrayLength(&{name})"), name, number });
        } else if let Some(rest) = after(line, "var<workgroup> ").filter(|r| r.contains("array<")) {
            let len = rest.rsplit_once(", ").unwrap().1.trim_end_matches(">;").to_owned();
            let number = FIRST_WORKGROUP_ARRAY + found.len();
            found.push(Array { name: name(&rest), len, number });
        }
    }
    found
}

const FIRST_WORKGROUP_ARRAY: usize = 9;
const COUNTERS: usize = 32;

/// The shader with a probe around every index of its arrays. `planted` is added to each index of one
/// array, for the test of the probes.
fn instrumented(kernel: &Kernel, planted: Option<(&str, &str)>) -> String {
    let code: String = kernel
        .wgsl()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    let arrays = arrays(&code);
    // A cooperative load or store begins at `&array[index]` and takes SIDE rows of the array.
    let coop = kernel.name.contains("coop");
    let per_vector = if kernel.name.contains("coop8") { "" } else { " / 4u" };
    let block = |name: &str| match name {
        "weights" if coop => format!("(SIDE * SIDE){per_vector}"),
        "lhs_tile" if coop => format!("((SIDE - 1u) * LHS_STRIDE + SIDE){per_vector}"),
        "strip_tile" => format!("((SIDE - 1u) * STRIP_STRIDE + SIDE){per_vector}"),
        "values" if coop => "((SIDE - 1u) * STRIDE + SIDE) / 4u".to_owned(),
        "queries" if coop => "SIDE * SIDE / 4u".to_owned(),
        "strips" if coop => "SIDE * SIDE".to_owned(),
        _ => "1u".to_owned(),
    };
    let mut text = code;
    for Array { name, .. } in &arrays {
        text = with_probes(&text, name);
    }
    text += &format!(
        "@group(1) @binding(0) var<storage, read_write> violations: array<atomic<u32>, {COUNTERS}>;\n"
    );
    for Array { name, len, number } in &arrays {
        let plant = planted.filter(|(array, _)| array == name).map_or("", |(_, plant)| plant);
        for (kind, extent) in [("probe", "1u".to_owned()), ("probe_block", block(name))] {
            text += &format!(
                "fn {kind}_{name}(index: u32) -> u32 {{
                    let i = index{plant};
                    let len = u32({len});
                    if i >= len || len - i < {extent} {{
                        atomicMax(&violations[{number}], max(i, 1u));
                    }}
                    return i;
                }}\n"
            );
        }
    }
    text
}

/// `name[index]` as `name[probe_name(index)]`, and `&name[index]` as that of a block. Brackets inside
/// the index are matched.
fn with_probes(text: &str, name: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let pattern = format!("{name}[");
    while let Some(at) = rest.find(&pattern) {
        let (before, after) = rest.split_at(at + pattern.len());
        out += before;
        rest = after;
        let word = before[..at].chars().next_back();
        if word.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.') {
            continue;
        }
        let mut depth = 1;
        let end = after.find(|c| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            depth == 0
        });
        let (index, after) = after.split_at(end.expect("brackets are matched"));
        let kind = if word == Some('&') { "probe_block" } else { "probe" };
        out += &format!("{kind}_{name}({})", with_probes(index, name));
        rest = after;
    }
    out + rest
}

pub(super) fn storage(gpu: &Gpu, bytes: &[u8]) -> Buffer {
    gpu.device().create_buffer_init(&BufferInitDescriptor {
        label: None,
        contents: bytes,
        usage: BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_SRC,
    })
}

/// What a buffer holds once the device has done all its work.
pub(super) fn read<T: bytemuck::Pod>(gpu: &Gpu, buffer: &Buffer) -> Vec<T> {
    let device = gpu.device();
    let readable = device.create_buffer(&BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &readable, 0, buffer.size());
    gpu.queue().submit([encoder.finish()]);
    readable.map_async(MapMode::Read, .., |result| result.unwrap());
    device.poll(PollType::wait_indefinitely()).unwrap();
    let view = readable.get_mapped_range(..).unwrap();
    bytemuck::pod_collect_to_vec(&view)
}

/// Bytes that are finite as f32 and as f16, and any codes.
pub(super) fn contents(len: u64) -> Vec<u8> {
    (0..len).map(|i| if i % 2 == 1 { 0x38 + (i / 2 % 4) as u8 } else { (i * 37) as u8 }).collect()
}

/// Rows of NaN, and codes of no region, as a caller's buffer may hold them. Orders and counts of regions begin with
/// the same: no start of a region exceeds the rows all the same.
fn ones(len: u64) -> Vec<u8> {
    vec![0xff; len as usize]
}

/// Runs a recipe over `rows` rows. Returns for each kernel and binding how far an index went beyond.
fn violations(
    gpu: &Gpu,
    recipe: &Recipe,
    residents: &[(Resident, Vec<u8>)],
    rows: usize,
) -> BTreeMap<(String, u32), u32> {
    let pipelines: Vec<_> = recipe.kernels.iter().map(|k| pipeline(gpu, k, None)).collect();
    violations_of(gpu, recipe, &pipelines, residents, (rows, contents))
}

fn violations_of(
    gpu: &Gpu,
    recipe: &Recipe,
    pipelines: &[ComputePipeline],
    residents: &[(Resident, Vec<u8>)],
    (rows, contents): (usize, fn(u64) -> Vec<u8>),
) -> BTreeMap<(String, u32), u32> {
    let sections: BTreeMap<Section, Buffer> = recipe
        .layout
        .sections()
        .map(|&(section, row_bytes)| {
            let head = recipe.layout.head_bytes(section);
            (section, storage(gpu, &contents(head + row_bytes * rows as u64)))
        })
        .collect();
    let params = Params { rows: count(rows), scale_stride: 1 };
    let params = storage(gpu, bytemuck::bytes_of(&params));
    let mut found = BTreeMap::new();
    for (kernel, pipeline) in recipe.kernels.iter().zip(pipelines) {
        let buffers: Vec<Option<Buffer>> = kernel
            .bindings
            .iter()
            .map(|binding| match binding {
                Binding::Unused | Binding::Search(_) => None,
                Binding::Params => Some(params.clone()),
                Binding::Section(section) => Some(sections[section].clone()),
                Binding::Resident(wanted) => {
                    let (_, bytes) = residents.iter().find(|(r, _)| r == wanted).unwrap();
                    Some(storage(gpu, bytes))
                }
            })
            .collect();
        let groups = kernel.grid.groups(count(rows));
        for (binding, beyond) in dispatched(gpu, pipeline, &buffers, groups) {
            found.insert((kernel.name.clone(), binding), beyond);
        }
    }
    found
}

pub(super) fn pipeline(
    gpu: &Gpu,
    kernel: &Kernel,
    planted: Option<(&str, &str)>,
) -> ComputePipeline {
    let device = gpu.device();
    let module = device.create_shader_module(ShaderModuleDescriptor {
        label: Some(&kernel.name),
        source: ShaderSource::Wgsl(instrumented(kernel, planted).into()),
    });
    device.create_compute_pipeline(&ComputePipelineDescriptor {
        label: Some(&kernel.name),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: PipelineCompilationOptions {
            constants: &kernel.constants,
            ..Default::default()
        },
        cache: None,
    })
}

/// Runs a pipeline on such buffers. Returns for each binding how far an index went beyond.
pub(super) fn dispatched(
    gpu: &Gpu,
    pipeline: &ComputePipeline,
    buffers: &[Option<Buffer>],
    workgroups: [u32; 3],
) -> Vec<(u32, u32)> {
    let device = gpu.device();
    let entries: Vec<_> = (0..)
        .zip(buffers)
        .filter_map(|(binding, buffer)| {
            let resource = buffer.as_ref()?.as_entire_binding();
            Some(BindGroupEntry { binding, resource })
        })
        .collect();
    let probes = storage(gpu, &[0; 4 * COUNTERS]);
    let bind = |index, entries: &[BindGroupEntry<'_>]| {
        device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(index),
            entries,
        })
    };
    let groups = [
        bind(0, &entries),
        bind(1, &[BindGroupEntry { binding: 0, resource: probes.as_entire_binding() }]),
    ];
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(pipeline);
        (0..).zip(&groups).for_each(|(index, group)| pass.set_bind_group(index, group, &[]));
        let [x, y, z] = workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
    gpu.queue().submit([encoder.finish()]);
    let beyond: Vec<u32> = read(gpu, &probes);
    (0..).zip(beyond).filter(|(_, beyond)| *beyond > 0).collect()
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn no_index_reaches_beyond_what_the_host_sizes() {
    let gpu = Gpu::new().unwrap();
    /// Sizes that each kernel is run on.
    const RUNS: usize = 2;
    let (mut runs, mut all) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
    for model in models() {
        // A software adapter is slow, and has no kernel that only large models run.
        let small = model.config().dim * model.config().latent_dim < 30_000;
        let small = small || !gpu.caps().software;
        for options in all_options() {
            let recipes = recipes(&model, gpu.caps(), options);
            for recipe in recipes.all() {
                let names = || recipe.kernels.iter().map(|kernel| kernel.name.clone());
                all.extend(names());
                if !small || names().all(|name| runs.get(&name).is_some_and(|n| *n >= RUNS)) {
                    continue;
                }
                names().for_each(|name| *runs.entry(name).or_default() += 1);
                let pipelines: Vec<_> =
                    recipe.kernels.iter().map(|k| pipeline(&gpu, k, None)).collect();
                let finite = [1, 13, 130].map(|rows| (rows, contents as fn(u64) -> Vec<u8>));
                for chunk in finite.into_iter().chain([(13, ones as _)]) {
                    let found = violations_of(&gpu, recipe, &pipelines, &recipes.residents, chunk);
                    let (config, rows) = (model.config(), chunk.0);
                    assert!(found.is_empty(), "{rows} rows of {config:?}, {options:?}: {found:?}");
                }
            }
        }
    }
    let run: BTreeSet<String> = runs.into_keys().collect();
    assert_eq!(run, all, "kernels that this adapter runs and that were left out");
}

/// The test above can fail: with half the bytes per row of any section, a probe notes it.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn a_section_that_is_too_small_is_noticed() {
    let gpu = Gpu::new().unwrap();
    for model in [int8_model([20, 130], false), bits_model((8, 64, true))] {
        let recipes = recipes(&model, gpu.caps(), Default::default());
        for recipe in recipes.all() {
            for (section, _) in recipe.layout.sections() {
                let mut small = recipe.clone();
                let layout = &mut small.layout;
                let all = [&mut layout.inputs, &mut layout.scratch, &mut layout.outputs];
                for (found, bytes) in all.into_iter().flatten() {
                    let half = (*bytes / 2).next_multiple_of(2);
                    *bytes = if found == section { half } else { *bytes };
                }
                let found = violations(&gpu, &small, &recipes.residents, 66);
                assert!(!found.is_empty(), "{}: half of {section:?} is not missed", recipe.verb);
            }
        }
    }
}

/// A probe notes an index that wraps below zero, in a binding and in workgroup memory.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn an_index_below_zero_is_noticed() {
    let gpu = Gpu::new().unwrap();
    let options = KernelOptions { tiling: Some(Tiling::Tiled), ..Default::default() };
    let recipes = recipes(&int8_model([20, 130], false), gpu.caps(), options);
    for array in ["codes", "weights", "scales", "lhs_tile", "rhs_tile"] {
        let kernel = &recipes.decode.kernels[0];
        let pipelines = [pipeline(&gpu, kernel, Some((array, " - 4096u")))];
        let found =
            violations_of(&gpu, &recipes.decode, &pipelines, &recipes.residents, (30, contents));
        assert!(!found.is_empty(), "{array}");
    }
}
