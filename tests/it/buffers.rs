//! A caller's buffers on a device.

use vecodec::wgpu::{Buffer, BufferDescriptor, BufferUsages, CommandEncoder, MapMode, PollType};
use vecodec::{CodecOptions, Engine, Error, ErrorKind, Gpu};

pub fn gpu_of(engine: &CodecOptions) -> &Gpu {
    let Engine::Gpu(gpu) = &engine.engine else { panic!("{engine:?} is no GPU") };
    gpu
}

/// A buffer of `size` bytes for kernels and for copies.
pub fn storage(gpu: &Gpu, size: u64) -> Buffer {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    gpu.device().create_buffer(&descriptor)
}

/// A buffer that holds `bytes` from byte `offset` on.
pub fn filled(gpu: &Gpu, bytes: &[u8], offset: u64) -> Buffer {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    let buffer = storage(gpu, offset + padded.len() as u64);
    gpu.queue().write_buffer(&buffer, offset, &padded);
    buffer
}

pub fn encoder(gpu: &Gpu) -> CommandEncoder {
    gpu.device().create_command_encoder(&Default::default())
}

/// Submits an encoder, and reads all of a buffer back.
pub fn submitted(gpu: &Gpu, mut encoder: CommandEncoder, buffer: &Buffer) -> Vec<u8> {
    let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
    let size = buffer.size();
    let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    let readable = gpu.device().create_buffer(&descriptor);
    encoder.copy_buffer_to_buffer(buffer, 0, &readable, 0, size);
    gpu.queue().submit([encoder.finish()]);
    readable.map_async(MapMode::Read, .., |result| result.unwrap());
    gpu.device().poll(PollType::wait_indefinitely()).unwrap();
    readable.get_mapped_range(..).unwrap().to_vec()
}

/// Fails unless an error is of this kind, and says all of this.
pub fn assert_says(error: &Error, kind: ErrorKind, parts: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in: {text}"));
}
