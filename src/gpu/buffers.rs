//! The buffers of one chunk: what kernels are bound to and rows travel through.

use wgpu::{Buffer, BufferUsages};

use super::context::Gpu;
use crate::error::Result;
use crate::plan::{RowLayout, Sections};

/// Buffers for chunks of up to some number of rows.
pub(crate) struct Buffers {
    /// `MAP_WRITE | COPY_SRC`, laid out like the input.
    pub(super) upload: Buffer,
    pub(super) input: Buffer,
    pub(super) inputs: Sections,
    /// One for each scratch section that has bytes.
    pub(super) scratch: Vec<Option<Buffer>>,
    pub(super) output: Buffer,
    pub(super) outputs: Sections,
    /// `MAP_READ | COPY_DST`; none where the output itself can be mapped.
    pub(super) staging: Option<Buffer>,
    pub(super) layout: RowLayout,
    /// Bytes of all of them.
    pub(crate) bytes: u64,
}

/// How results leave the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readback {
    /// As suits the adapter: out of the output itself, or through a copy.
    Mapped,
    /// Not at all.
    None,
}

impl Buffers {
    pub(crate) fn new(
        gpu: &Gpu,
        layout: &RowLayout,
        capacity: usize,
        readback: Readback,
    ) -> Result<Self> {
        let (inputs, outputs) = (layout.input_sections(capacity), layout.output_sections(capacity));
        let scratch_bytes = layout.scratch.iter().sum::<u64>() * capacity as u64;
        let mapped = readback == Readback::Mapped;
        let direct = mapped && gpu.caps().direct_readback;
        let staged = mapped && !direct;
        gpu.scoped("the buffers of a chunk", || {
            let (copied, storage) = (BufferUsages::COPY_SRC, BufferUsages::STORAGE);
            let upload =
                gpu.buffer("vecodec.upload", inputs.bytes, BufferUsages::MAP_WRITE | copied);
            let usage = storage | BufferUsages::UNIFORM | BufferUsages::COPY_DST;
            let input = gpu.buffer("vecodec.input", inputs.bytes, usage);
            let scratch = |row_bytes: &u64| {
                let bytes = row_bytes * capacity as u64;
                (bytes > 0).then(|| gpu.buffer("vecodec.scratch", bytes, storage))
            };
            let scratch = layout.scratch.iter().map(scratch).collect();
            let usage = storage | if direct { BufferUsages::MAP_READ } else { copied };
            let output = gpu.buffer("vecodec.output", outputs.bytes, usage);
            let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
            let staging = staged.then(|| gpu.buffer("vecodec.staging", outputs.bytes, usage));
            let copies = if staged { 2 } else { 1 };
            let bytes = 2 * inputs.bytes + scratch_bytes + copies * outputs.bytes;
            let layout = layout.clone();
            Self { upload, input, inputs, scratch, output, outputs, staging, layout, bytes }
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        let scratch = self.scratch.iter().flatten().count() as u64;
        3 + scratch + u64::from(self.staging.is_some())
    }

    /// The buffer the host reads results from.
    pub(super) fn readback(&self) -> &Buffer {
        self.staging.as_ref().unwrap_or(&self.output)
    }
}
