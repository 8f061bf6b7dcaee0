//! The peak rates of the device: arithmetic without memory access, and memory access without
//! arithmetic.

use std::time::Instant;

use vecodec::Gpu;
use vecodec::wgpu::{
    BindGroupDescriptor, BindGroupEntry, BufferDescriptor, BufferUsages, ComputePipelineDescriptor,
    PollType, include_wgsl,
};

/// Threads of `multiply`.
///
/// The operations are threads x loops x steps x chains x lanes x 2.
const THREADS: u64 = 1 << 20;
const FLOPS: f64 = (THREADS * 128 * 4 * 8 * 4 * 2) as f64;
const BYTES: u64 = 1 << 30;
const WORKGROUP: u64 = 256;

/// f32 operations per second. The work is divided by `share`.
pub fn flops(gpu: &Gpu, share: u64) -> f64 {
    let seconds = seconds(gpu, "multiply", 16 * THREADS, THREADS / WORKGROUP / share);
    FLOPS / share as f64 / seconds
}

/// Bytes of device memory read and written per second. The work is divided by `share`.
pub fn bytes(gpu: &Gpu, share: u64) -> f64 {
    let size = BYTES / share;
    2.0 * size as f64 / seconds(gpu, "touch", size, 1 << 14)
}

/// Seconds per dispatch: the least of several measurements of
/// (time of 22 dispatches - time of 2 dispatches) / 20. The difference leaves out the time of a
/// submission itself.
fn seconds(gpu: &Gpu, kernel: &str, size: u64, groups: u64) -> f64 {
    let device = gpu.device();
    let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &device.create_shader_module(include_wgsl!("peak.wgsl")),
        entry_point: Some(kernel),
        compilation_options: Default::default(),
        cache: None,
    });
    let values = device.create_buffer(&BufferDescriptor {
        label: None,
        size,
        usage: BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let bind_group = device.create_bind_group(&BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[BindGroupEntry { binding: 0, resource: values.as_entire_binding() }],
    });
    let time = |runs: u32| {
        let mut encoder = device.create_command_encoder(&Default::default());
        for _ in 0..runs {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(groups as u32, 1, 1);
        }
        let start = Instant::now();
        gpu.queue().submit([encoder.finish()]);
        device.poll(PollType::wait_indefinitely()).expect("a working device");
        start.elapsed().as_secs_f64()
    };
    time(2);
    (0..5).map(|_| (time(22) - time(2)) / 20.0).fold(f64::INFINITY, f64::min).max(1e-9)
}
