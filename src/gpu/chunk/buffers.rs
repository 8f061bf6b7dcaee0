//! The buffers of one chunk.

use std::num::NonZeroU64;

use wgpu::{BindingResource, Buffer, BufferBinding, BufferUsages};

use super::super::device::Gpu;
use super::params::{Params, STAMP_BYTES};
use crate::error::{Error, Result};
use crate::plan::{RowLayout, Section, Spans};

/// Buffers for chunks of up to some number of rows.
pub(crate) struct Buffers {
    /// The most rows of a chunk.
    pub(super) capacity: usize,
    /// `MAP_WRITE | COPY_SRC`, laid out like the input.
    pub(super) upload: Buffer,
    pub(super) input: Buffer,
    pub(super) inputs: Spans,
    scratch: Vec<(Section, Buffer)>,
    pub(super) output: Buffer,
    pub(super) outputs: Spans,
    /// `MAP_READ | COPY_DST`; none where the output itself can be mapped.
    pub(super) staging: Option<Buffer>,
    /// Bytes of the stamp behind the output's rows; zero where the driver needs none.
    pub(super) stamp_bytes: u64,
}

/// How results leave the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readback {
    /// The host maps the output itself or a copy, whichever suits the adapter.
    Mapped,
    /// Results are not read back.
    None,
}

impl Buffers {
    pub(crate) fn new(
        gpu: &Gpu,
        layout: &RowLayout,
        capacity: usize,
        readback: Readback,
    ) -> Result<Self> {
        let bytes = Self::bytes(gpu, layout, capacity, readback);
        let (inputs, outputs) = (layout.input_spans(capacity), layout.output_spans(capacity));
        let mapped = readback == Readback::Mapped;
        let stamp_bytes = if mapped && gpu.caps().stamped { STAMP_BYTES } else { 0 };
        let direct = mapped && gpu.caps().direct_readback;
        let staged = mapped && !direct;
        let device = gpu.device_queue();
        gpu.with_error_scopes("the buffers of a chunk", || {
            let (copied, storage) = (BufferUsages::COPY_SRC, BufferUsages::STORAGE);
            let usage = BufferUsages::MAP_WRITE | copied;
            let upload = device.buffer("vecodec.upload", inputs.bytes, usage);
            let usage = storage | BufferUsages::UNIFORM | BufferUsages::COPY_DST;
            let input = device.buffer("vecodec.input", inputs.bytes, usage);
            let mut scratch = Vec::with_capacity(layout.scratch.len());
            for (section, size) in layout.scratch_bytes(capacity) {
                scratch.push((section, device.buffer("vecodec.scratch", size, storage)));
            }
            let readable = if direct { BufferUsages::MAP_READ } else { copied };
            let stamped =
                if stamp_bytes > 0 { BufferUsages::COPY_DST } else { BufferUsages::empty() };
            let usage = storage | readable | stamped;
            let output_bytes = outputs.bytes + stamp_bytes;
            let output = device.buffer("vecodec.output", output_bytes, usage);
            let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
            let staging = staged.then(|| device.buffer("vecodec.staging", output_bytes, usage));
            Self { capacity, upload, input, inputs, scratch, output, outputs, staging, stamp_bytes }
        })
        .map_err(|error| error.with_bytes_required(bytes))
    }

    /// The bytes of all buffers of a chunk.
    pub(crate) fn bytes(gpu: &Gpu, layout: &RowLayout, capacity: usize, readback: Readback) -> u64 {
        let (inputs, outputs) = (layout.input_spans(capacity), layout.output_spans(capacity));
        let staged = readback == Readback::Mapped && !gpu.caps().direct_readback;
        let scratch: u64 = layout.scratch_bytes(capacity).map(|(_, bytes)| bytes).sum();
        2 * inputs.bytes + if staged { 2 } else { 1 } * outputs.bytes + scratch
    }

    /// How many buffers there are.
    pub(crate) fn count(&self) -> u64 {
        3 + self.scratch.len() as u64 + u64::from(self.staging.is_some())
    }

    /// The buffer that the host reads results from.
    pub(super) fn readback(&self) -> &Buffer {
        self.staging.as_ref().unwrap_or(&self.output)
    }
}

/// What the bindings of a program refer to.
pub(crate) trait ChunkMemory {
    /// The parameters, as a binding.
    fn params(&self) -> BindingResource<'_>;

    /// A section, as a binding.
    fn section(&self, section: Section) -> Result<BindingResource<'_>>;
}

impl ChunkMemory for Buffers {
    fn params(&self) -> BindingResource<'_> {
        binding_of(&self.input, 0, size_of::<Params>() as u64)
    }

    fn section(&self, section: Section) -> Result<BindingResource<'_>> {
        if let Some(span) = self.inputs.find(section) {
            return Ok(binding_of(&self.input, span.offset, span.bytes));
        }
        if let Some(span) = self.outputs.find(section) {
            return Ok(binding_of(&self.output, span.offset, span.bytes));
        }
        let scratch = self.scratch.iter().find(|(found, _)| *found == section);
        scratch.map(|(_, buffer)| buffer.as_entire_binding()).ok_or_else(|| missing(section))
    }
}

/// Some bytes of a buffer, as a binding.
pub(crate) fn binding_of(buffer: &Buffer, offset: u64, bytes: u64) -> BindingResource<'_> {
    BindingResource::Buffer(BufferBinding { buffer, offset, size: NonZeroU64::new(bytes) })
}

/// The error of asking for a section that the chunk does not have.
pub(super) fn missing(section: Section) -> Error {
    Error::Internal { detail: format!("a chunk has no section {section:?}") }
}
