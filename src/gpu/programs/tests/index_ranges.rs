//! Every index that a shader forms, compared with the length of what it indexes.
//!
//! Shaders run without bounds checks. Here each kernel that the adapter can run is rebuilt with its
//! accesses instrumented, `name[index]` becoming `name[probe_name(index)]`, and is run with bindings
//! of exactly the bytes that the host sizes for the chunk. A probe notes an index at or beyond the
//! length.

use std::collections::{BTreeMap, BTreeSet};

use wgpu::util::{BufferInitDescriptor, DeviceExt as _};
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages, ComputePipeline,
    ComputePipelineDescriptor, MapMode, PipelineCompilationOptions, PollType,
    ShaderModuleDescriptor, ShaderSource,
};

use super::super::super::chunk::Params;
use super::super::super::device::Gpu;
use super::super::super::kernels::{Binding, Kernel, Resident};
use super::super::recipe::Recipe;
use super::{all_options, bits_model, int8_model, recipes};
use crate::model::Model;
use crate::plan::{Section, count};

/// The storage arrays of a shader: binding and name.
fn arrays(wgsl: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for line in wgsl.lines().filter(|line| line.contains("var<storage")) {
        let binding = line.split("@binding(").nth(1).and_then(|rest| rest.split(')').next());
        let name = line.split("> ").nth(1).and_then(|rest| rest.split(':').next());
        found.push((binding.unwrap().parse().unwrap(), name.unwrap().to_owned()));
    }
    found
}

/// The shader with a probe around every index of its storage arrays.
fn instrumented(kernel: &Kernel) -> String {
    let code: String = kernel
        .wgsl()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    let arrays = arrays(&code);
    // A load of a cooperative matrix of weights reads SIDE x SIDE values from its index on.
    let coop = kernel.name.contains("coop");
    let values = if kernel.name.contains("coop8") { "SIDE * SIDE" } else { "SIDE * SIDE / 4u" };
    let mut text = code;
    for (_, name) in &arrays {
        text = with_probes(&text, name);
    }
    text += "@group(1) @binding(0) var<storage, read_write> violations: array<atomic<u32>, 16>;\n";
    for (binding, name) in &arrays {
        let extent = if coop && name == "weights" { values } else { "1u" };
        text += &format!(
            "fn probe_{name}(i: u32) -> u32 {{\n    if i + {extent} > arrayLength(&{name}) {{\n        \
             atomicMax(&violations[{binding}], i + {extent});\n    }}\n    return i;\n}}\n"
        );
    }
    text
}

/// `name[index]` as `name[probe_name(index)]`, brackets inside the index matched.
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
        out += &format!("probe_{name}({})", with_probes(index, name));
        rest = after;
    }
    out + rest
}

fn storage(gpu: &Gpu, bytes: &[u8]) -> Buffer {
    gpu.device().create_buffer_init(&BufferInitDescriptor {
        label: None,
        contents: bytes,
        usage: BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_SRC,
    })
}

/// Bytes that are finite as f32 and as f16, and any codes.
fn contents(len: u64) -> Vec<u8> {
    (0..len).map(|i| if i % 2 == 1 { 0x38 + (i / 2 % 4) as u8 } else { (i * 37) as u8 }).collect()
}

/// Runs a recipe over `rows` rows. Returns for each kernel and binding how far an index went beyond.
fn violations(
    gpu: &Gpu,
    recipe: &Recipe,
    residents: &[(Resident, Vec<u8>)],
    rows: usize,
) -> BTreeMap<(String, u32), u32> {
    let pipelines: Vec<_> = recipe.kernels.iter().map(|kernel| pipeline(gpu, kernel)).collect();
    violations_of(gpu, recipe, &pipelines, residents, rows)
}

fn violations_of(
    gpu: &Gpu,
    recipe: &Recipe,
    pipelines: &[ComputePipeline],
    residents: &[(Resident, Vec<u8>)],
    rows: usize,
) -> BTreeMap<(String, u32), u32> {
    let sections: BTreeMap<Section, Buffer> = recipe
        .layout
        .sections()
        .map(|(section, row_bytes)| (*section, storage(gpu, &contents(row_bytes * rows as u64))))
        .collect();
    let params = Params { rows: count(rows), scale_stride: 1 };
    let params = storage(gpu, bytemuck::bytes_of(&params));
    let mut found = BTreeMap::new();
    for (kernel, pipeline) in recipe.kernels.iter().zip(pipelines) {
        let buffers: Vec<Buffer> = kernel
            .bindings
            .iter()
            .map(|binding| match binding {
                Binding::Params => params.clone(),
                Binding::Section(section) => sections[section].clone(),
                Binding::Resident(wanted) => {
                    let (_, bytes) = residents.iter().find(|(r, _)| r == wanted).unwrap();
                    storage(gpu, bytes)
                }
            })
            .collect();
        for (binding, beyond) in dispatched(gpu, kernel, pipeline, &buffers, rows) {
            found.insert((kernel.name.clone(), binding), beyond);
        }
    }
    found
}

fn pipeline(gpu: &Gpu, kernel: &Kernel) -> ComputePipeline {
    let device = gpu.device();
    let module = device.create_shader_module(ShaderModuleDescriptor {
        label: Some(&kernel.name),
        source: ShaderSource::Wgsl(instrumented(kernel).into()),
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

fn dispatched(
    gpu: &Gpu,
    kernel: &Kernel,
    pipeline: &ComputePipeline,
    buffers: &[Buffer],
    rows: usize,
) -> Vec<(u32, u32)> {
    let device = gpu.device();
    let entries: Vec<_> = (0..)
        .zip(buffers)
        .map(|(binding, b)| BindGroupEntry { binding, resource: b.as_entire_binding() })
        .collect();
    let probes = storage(gpu, &[0; 64]);
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
    let readable = device.create_buffer(&BufferDescriptor {
        label: None,
        size: 64,
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(pipeline);
        (0..).zip(&groups).for_each(|(index, group)| pass.set_bind_group(index, group, &[]));
        let [x, y, z] = kernel.grid.groups(count(rows));
        pass.dispatch_workgroups(x, y, z);
    }
    encoder.copy_buffer_to_buffer(&probes, 0, &readable, 0, 64);
    gpu.queue().submit([encoder.finish()]);
    readable.map_async(MapMode::Read, .., |result| result.unwrap());
    device.poll(PollType::wait_indefinitely()).unwrap();
    let view = readable.get_mapped_range(..).unwrap();
    let beyond: Vec<u32> = bytemuck::pod_collect_to_vec(&view);
    (0..).zip(beyond).filter(|(_, beyond)| *beyond > 0).collect()
}

fn some_models() -> Vec<Model> {
    let int8 = [[1, 1], [97, 53], [20, 130], [384, 64]].map(|shape| int8_model(shape, true));
    let bits = [(0, 53, true), (2, 70, true), (8, 53, false)].map(bits_model);
    int8.into_iter().chain(bits).collect()
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn no_index_reaches_beyond_what_the_host_sizes() {
    let gpu = Gpu::new().unwrap();
    let mut seen = BTreeSet::new();
    for model in some_models() {
        for options in all_options() {
            let recipes = recipes(&model, gpu.caps(), options);
            for recipe in recipes.all() {
                let kernels: Vec<_> =
                    recipe.kernels.iter().map(|k| (&k.name, &k.constants)).collect();
                if !seen.insert(format!("{} {kernels:?}", recipe.verb)) {
                    continue;
                }
                let pipelines: Vec<_> = recipe.kernels.iter().map(|k| pipeline(&gpu, k)).collect();
                for rows in [1, 13, 130] {
                    let found = violations_of(&gpu, recipe, &pipelines, &recipes.residents, rows);
                    let config = model.config();
                    assert!(found.is_empty(), "{rows} rows of {config:?}, {options:?}: {found:?}");
                }
            }
        }
    }
}

/// The test above can fail: four bytes less per row of any section, and a probe notes it.
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
                    // Scales and norms have four bytes: they lose half of their rows.
                    *bytes =
                        if found != section { *bytes } else { (*bytes / 2).next_multiple_of(2) };
                }
                let found = violations(&gpu, &small, &recipes.residents, 66);
                assert!(!found.is_empty(), "{}: half of {section:?} is not missed", recipe.verb);
            }
        }
    }
}
