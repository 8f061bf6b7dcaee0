//! The memory of a chunk that a caller's encoder takes through a program, from and into the caller's buffers.
//!
//! A queue runs one recording after the other, and each writes what it reads of its own memory. Recordings
//! therefore share [`Scratch`], whenever they are submitted.

use std::ops::Range;

use wgpu::{BindingResource, Buffer, BufferUsages};

use super::super::device::Gpu;
use super::buffers::{ChunkMemory, binding_of, missing};
use super::params::Params;
use super::pool::Pooled;
use crate::error::Result;
use crate::plan::{RowLayout, Section};

/// Device memory of the chunks of a recording.
pub(crate) struct Scratch {
    /// Parameters of each chunk.
    pub(crate) parameters: Buffer,
    sections: Vec<(Section, Buffer)>,
}

impl Pooled for Scratch {
    fn reusable(&self) -> bool {
        true
    }
}

impl Scratch {
    /// Memory for chunks of up to `capacity` rows: what lies between the kernels of a layout, and those sections
    /// of its input and output that are no buffers of the caller's.
    pub(crate) fn new(
        gpu: &Gpu,
        layout: &RowLayout,
        own: &[Section],
        capacity: usize,
        parameter_bytes: u64,
    ) -> Result<Self> {
        let device = gpu.device_queue();
        gpu.with_error_scopes("the buffers of a recording", || {
            let usage = BufferUsages::UNIFORM | BufferUsages::STORAGE | BufferUsages::COPY_DST;
            let parameters = device.buffer("vecodec.recorded.parameters", parameter_bytes, usage);
            let buffer = |(section, bytes)| {
                let label = "vecodec.recorded.scratch";
                (section, device.buffer(label, bytes, BufferUsages::STORAGE))
            };
            let sections = section_bytes(layout, own, capacity).map(buffer).collect();
            Self { parameters, sections }
        })
        .map_err(|error| {
            error.with_bytes_required(Self::bytes(layout, own, capacity, parameter_bytes))
        })
    }

    /// The bytes of all of it.
    pub(crate) fn bytes(
        layout: &RowLayout,
        own: &[Section],
        capacity: usize,
        parameter_bytes: u64,
    ) -> u64 {
        parameter_bytes + section_bytes(layout, own, capacity).map(|(_, bytes)| bytes).sum::<u64>()
    }
}

fn section_bytes<'a>(
    layout: &'a RowLayout,
    own: &'a [Section],
    capacity: usize,
) -> impl Iterator<Item = (Section, u64)> + 'a {
    let is_own = |(section, _): &&(Section, u64)| own.contains(section);
    let outer = layout.inputs.iter().chain(&layout.outputs).filter(is_own);
    let outer = outer.map(move |(section, row_bytes)| (*section, row_bytes * capacity as u64));
    layout.scratch_bytes(capacity).chain(outer)
}

/// The memory of one chunk.
pub(crate) struct RecordedChunk<'a> {
    pub(crate) scratch: &'a Scratch,
    /// Where its parameters begin.
    pub(crate) params_at: u64,
    /// Sections that lie elsewhere.
    pub(crate) sections: Vec<(Section, &'a Buffer, Range<u64>)>,
}

impl ChunkMemory for RecordedChunk<'_> {
    fn params(&self) -> BindingResource<'_> {
        binding_of(&self.scratch.parameters, self.params_at, size_of::<Params>() as u64)
    }

    fn section(&self, wanted: Section) -> Result<BindingResource<'_>> {
        let found = self.sections.iter().find(|(section, ..)| *section == wanted);
        if let Some((_, buffer, range)) = found {
            return Ok(binding_of(buffer, range.start, range.end - range.start));
        }
        let scratch = self.scratch.sections.iter().find(|(section, _)| *section == wanted);
        scratch.map(|(_, buffer)| buffer.as_entire_binding()).ok_or_else(|| missing(wanted))
    }
}
