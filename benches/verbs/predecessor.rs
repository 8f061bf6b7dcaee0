//! The baseline: decoding as the predecessor did, the codec that this library replaces.
//!
//! Each call creates its buffers, fills the scales in a loop, and pushes the results value by value
//! into nested vectors. The baseline has its own shader. Its first rows are compared with those of
//! `Codec::decode`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use vecodec::wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages, ComputePipeline,
    ComputePipelineDescriptor, MapMode, PipelineCompilationOptions, PollType,
    ShaderModuleDescriptor, ShaderSource,
};
use vecodec::{Codec, CodecOptions, Codes, Engine, Gpu, Model, ModelConfig};

use super::{SHAPES, batches, gpu, rows};

const SHADER: &str = include_str!("predecessor.wgsl");
const TILE: u32 = 64;

struct Predecessor {
    gpu: Gpu,
    pipeline: ComputePipeline,
    weights: Buffer,
    bias: Buffer,
    dim: usize,
}

impl Predecessor {
    fn new(gpu: &Gpu, model: &Model) -> Self {
        let (dim, latent) = (model.config().dim, model.config().latent_dim);
        let mut transposed = vec![0.0f32; latent * dim];
        for (d, row) in model.weights().unwrap().decoder.chunks(latent).enumerate() {
            row.iter().enumerate().for_each(|(l, weight)| transposed[l * dim + d] = *weight);
        }
        let device = gpu.device();
        let module = device.create_shader_module(ShaderModuleDescriptor {
            label: Some("predecessor"),
            source: ShaderSource::Wgsl(SHADER.into()),
        });
        let constants = [("LATENTS4", (latent / 4) as f64), ("OUTPUTS4", (dim / 4) as f64)];
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some("predecessor"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions {
                constants: &constants,
                ..Default::default()
            },
            cache: None,
        });
        let weights = filled(gpu, bytemuck::cast_slice(&transposed), BufferUsages::STORAGE);
        let bias = filled(gpu, &vec![0; 4 * dim], BufferUsages::STORAGE);
        Self { gpu: gpu.clone(), pipeline, weights, bias, dim }
    }

    fn decode(&self, codes: &[u8], scale: f32, rows: usize) -> Vec<Vec<f32>> {
        let (device, dim) = (self.gpu.device(), self.dim);
        let mut scales = Vec::new();
        for _ in 0..rows {
            scales.push(scale);
        }
        let params = [rows as u32, 1];
        let params = filled(&self.gpu, bytemuck::cast_slice(&params), BufferUsages::UNIFORM);
        let codes = filled(&self.gpu, codes, BufferUsages::STORAGE);
        let scales = filled(&self.gpu, bytemuck::cast_slice(&scales), BufferUsages::STORAGE);
        let bytes = (rows * dim * 4) as u64;
        let output = fresh(&self.gpu, bytes, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        let staging = fresh(&self.gpu, bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let buffers = [&params, &self.weights, &self.bias, &codes, &output, &scales];
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, b)| BindGroupEntry { binding, resource: b.as_entire_binding() })
            .collect();
        let bind_group = device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups((dim as u32).div_ceil(TILE), (rows as u32).div_ceil(TILE), 1);
        }
        encoder.copy_buffer_to_buffer(&output, 0, &staging, 0, bytes);
        self.gpu.queue().submit([encoder.finish()]);
        staging.map_async(MapMode::Read, .., |result| result.expect("a mapping"));
        device.poll(PollType::wait_indefinitely()).expect("a working device");
        let view = staging.get_mapped_range(..).expect("a mapping");
        let mut nested = Vec::new();
        for row in 0..rows {
            let mut values = Vec::new();
            for column in 0..dim {
                let at = 4 * (row * dim + column);
                let bytes = [view[at], view[at + 1], view[at + 2], view[at + 3]];
                values.push(f32::from_le_bytes(bytes));
            }
            nested.push(values);
        }
        nested
    }
}

fn fresh(gpu: &Gpu, size: u64, usage: BufferUsages) -> Buffer {
    let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    gpu.device().create_buffer(&descriptor)
}

fn filled(gpu: &Gpu, bytes: &[u8], usage: BufferUsages) -> Buffer {
    let buffer = gpu.device().create_buffer(&BufferDescriptor {
        label: None,
        size: bytes.len() as u64,
        usage,
        mapped_at_creation: true,
    });
    buffer.get_mapped_range_mut(..).expect("a mapping").copy_from_slice(bytes);
    buffer.unmap();
    buffer
}

/// Fails unless the baseline decodes as the library does: a baseline that computes something else
/// measures nothing.
fn check(predecessor: &Predecessor, model: &Model) {
    const SCALE: f32 = 0.01;
    let (dim, latent, count) = (model.config().dim, model.config().latent_dim, 100);
    let packed: Vec<u8> = rows(count, latent).iter().map(|v| (v * 127.0) as i8 as u8).collect();
    let found = predecessor.decode(&packed, SCALE, count);
    let codes = Codes::from_parts(model, packed, vec![SCALE; count]).expect("codes of the model");
    let options = CodecOptions::default().with_engine(Engine::Cpu);
    let codec = Codec::with_options(model.clone(), options).expect("the CPU engine");
    let expected = codec.decode(&codes).expect("codes of the model");
    assert!(found.len() == count && found.iter().all(|row| row.len() == dim));
    for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let norm = expected.iter().map(|v| v * v).sum::<f32>().sqrt();
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-5 * norm, "the baseline's row {row} has {a} for {b}");
        }
    }
}

pub fn benches(criterion: &mut Criterion) {
    let Some(gpu) = gpu() else { return };
    let (dim, latent) = SHAPES[0];
    let model = Model::random(ModelConfig::int8(dim, latent), 1).expect("a valid shape");
    let predecessor = Predecessor::new(&gpu, &model);
    check(&predecessor, &model);
    let mut group = criterion.benchmark_group(format!("predecessor/{dim}to{latent}"));
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    // The predecessor never divided a batch into chunks: one binding holds the whole batch.
    let limit = gpu.device().limits().max_storage_buffer_binding_size as usize / (4 * dim);
    for &count in batches().iter().filter(|count| **count <= limit) {
        let codes: Vec<u8> = rows(count, latent).iter().map(|v| (v * 127.0) as i8 as u8).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("decode", count), |b| {
            b.iter(|| black_box(predecessor.decode(&codes, 0.01, count)));
        });
    }
    group.finish();
}
