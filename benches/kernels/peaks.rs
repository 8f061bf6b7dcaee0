//! What the device can do at most: arithmetic without memory, and memory without arithmetic.

use std::time::Instant;

use vecodec::Gpu;
use vecodec::wgpu::{
    BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages, CommandEncoder,
    ComputePipelineDescriptor, PollType, ShaderModuleDescriptor, include_wgsl,
};

/// Threads, loops, chains, lanes, and two operations, as in `peak.wgsl`.
const THREADS: u64 = 1 << 20;
const FLOPS: f64 = (THREADS * 512 * 8 * 4 * 2) as f64;

/// f32 operations a second.
pub fn flops(gpu: &Gpu, share: u64) -> f64 {
    let device = gpu.device();
    let shader: ShaderModuleDescriptor<'_> = include_wgsl!("peak.wgsl");
    let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &device.create_shader_module(shader),
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    });
    let values = buffer(gpu, 16 * THREADS, BufferUsages::STORAGE);
    let bound = device.create_bind_group(&BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[BindGroupEntry { binding: 0, resource: values.as_entire_binding() }],
    });
    let seconds = slope(gpu, |encoder| {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bound, &[]);
        pass.dispatch_workgroups((THREADS / 256 / share) as u32, 1, 1);
    });
    FLOPS / share as f64 / seconds
}

/// Bytes read and written a second, by a copy within device memory.
pub fn bytes(gpu: &Gpu, share: u64) -> f64 {
    let size = (1 << 30) / share;
    let from = buffer(gpu, size, BufferUsages::COPY_SRC);
    let to = buffer(gpu, size, BufferUsages::COPY_DST);
    let seconds = slope(gpu, |encoder| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, size));
    2.0 * size as f64 / seconds
}

fn buffer(gpu: &Gpu, size: u64, usage: BufferUsages) -> Buffer {
    let usage = usage | BufferUsages::COPY_SRC;
    gpu.device().create_buffer(&BufferDescriptor {
        label: None,
        size,
        usage,
        mapped_at_creation: false,
    })
}

/// Seconds of one more run: many runs in a submission less few, so that what a submission itself
/// takes falls away; the least of several tries.
fn slope(gpu: &Gpu, record: impl Fn(&mut CommandEncoder)) -> f64 {
    let time = |runs: u32| {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        (0..runs).for_each(|_| record(&mut encoder));
        let start = Instant::now();
        gpu.queue().submit([encoder.finish()]);
        gpu.device().poll(PollType::wait_indefinitely()).expect("a device that is there");
        start.elapsed().as_secs_f64()
    };
    time(2);
    (0..5).map(|_| (time(11) - time(1)) / 10.0).fold(f64::INFINITY, f64::min).max(1e-9)
}
