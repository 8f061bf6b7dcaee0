//! The way this library replaces: three fresh buffers a call, scales filled in a loop, results
//! pushed element by element into nested vectors. Same shader, same adapter.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use vecodec::wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages, ComputePipeline,
    ComputePipelineDescriptor, MapMode, PipelineCompilationOptions, PollType,
    ShaderModuleDescriptor, ShaderSource,
};
use vecodec::{Gpu, Model, ModelConfig};

use super::{SHAPES, batches, rows};

const SHADER: &str = concat!(
    include_str!("../../shaders/shared/params.wgsl"),
    include_str!("../../shaders/shared/product.wgsl"),
    include_str!("../../shaders/shared/tiled.wgsl"),
    include_str!("../../shaders/decode.wgsl"),
);
const TILE: u32 = 64;

struct Original {
    gpu: Gpu,
    pipeline: ComputePipeline,
    weights: Buffer,
    bias: Buffer,
    dim: usize,
}

impl Original {
    fn new(gpu: &Gpu, (dim, latent): (usize, usize)) -> Self {
        let model = Model::random(ModelConfig::int8(dim, latent), 1).expect("a valid shape");
        let mut transposed = vec![0.0f32; latent * dim];
        for (d, row) in model.weights().decoder.chunks(latent).enumerate() {
            row.iter().enumerate().for_each(|(l, weight)| transposed[l * dim + d] = *weight);
        }
        let device = gpu.device();
        let module = device.create_shader_module(ShaderModuleDescriptor {
            label: Some("original"),
            source: ShaderSource::Wgsl(SHADER.into()),
        });
        let constants = [
            ("INPUTS4", (latent / 4) as f64),
            ("OUTPUTS4", (dim / 4) as f64),
            ("OUTPUTS", dim as f64),
        ];
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some("original"),
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
        let bound = device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &bound, &[]);
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

pub fn benches(criterion: &mut Criterion) {
    let Ok(gpu) = Gpu::new() else { return };
    let shape @ (dim, latent) = SHAPES[0];
    let original = Original::new(&gpu, shape);
    let mut group = criterion.benchmark_group(format!("original/{dim}to{latent}"));
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    // One binding holds the whole batch: it never chunked.
    let limit = gpu.device().limits().max_storage_buffer_binding_size as usize / (4 * dim);
    for &count in batches().iter().filter(|count| **count <= limit) {
        let codes: Vec<u8> = rows(count, latent).iter().map(|v| (v * 127.0) as i8 as u8).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("decode", count), |b| {
            b.iter(|| black_box(original.decode(&codes, 0.01, count)));
        });
    }
    group.finish();
}
