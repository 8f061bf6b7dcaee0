//! The rate of the PCIe link: copies from device memory into mapped memory and computes nothing. No
//! readback can be faster.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};

use vecodec::Gpu;
use vecodec::wgpu::{
    self, Buffer, BufferDescriptor, BufferUsages, MapMode, PollType, SubmissionIndex,
};

/// A device buffer, and a ring of staging buffers to which it is copied repeatedly.
pub struct PcieLink {
    gpu: Gpu,
    source: Buffer,
    ring: Vec<Buffer>,
    chunk_bytes: u64,
}

const SLOTS: usize = 3;

impl PcieLink {
    pub fn new(gpu: &Gpu, chunk_bytes: u64) -> Self {
        let buffer = |usage| {
            gpu.device().create_buffer(&BufferDescriptor {
                label: Some("link"),
                size: chunk_bytes,
                usage,
                mapped_at_creation: false,
            })
        };
        let source = buffer(BufferUsages::COPY_SRC | BufferUsages::COPY_DST);
        let staging = || buffer(BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let ring = (0..SLOTS).map(|_| staging()).collect();
        Self { gpu: gpu.clone(), source, ring, chunk_bytes }
    }

    /// Copies `bytes` bytes to the host and reads one byte of each chunk.
    pub fn run(&self, bytes: u64) -> u64 {
        let chunks = bytes.div_ceil(self.chunk_bytes);
        let (mut under_way, mut sum) = (VecDeque::new(), 0);
        for chunk in 0..chunks + SLOTS as u64 {
            if under_way.len() == SLOTS || chunk >= chunks {
                let Some(first) = under_way.pop_front() else { break };
                sum += self.arrive(first);
            }
            if chunk < chunks {
                let size = self.chunk_bytes.min(bytes - chunk * self.chunk_bytes);
                under_way.push_back(self.send(&self.ring[chunk as usize % SLOTS], size));
            }
        }
        sum
    }

    fn send<'a>(&'a self, to: &'a Buffer, size: u64) -> Chunk<'a> {
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.source, 0, to, 0, size);
        let submission = self.gpu.queue().submit([encoder.finish()]);
        let (sender, mapped) = channel();
        to.map_async(MapMode::Read, ..size, move |result| {
            // A dropped receiver needs no result.
            let _ = sender.send(result);
        });
        Chunk { to, size, submission, mapped }
    }

    fn arrive(&self, chunk: Chunk<'_>) -> u64 {
        let Chunk { to, size, submission, mapped } = chunk;
        let wait = PollType::Wait { submission_index: Some(submission), timeout: None };
        self.gpu.device().poll(wait).expect("a working device");
        mapped.recv().expect("a callback").expect("a mapping");
        let last = u64::from(to.get_mapped_range(..size).expect("a mapping")[size as usize - 1]);
        to.unmap();
        last
    }
}

struct Chunk<'a> {
    to: &'a Buffer,
    size: u64,
    submission: SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
}
