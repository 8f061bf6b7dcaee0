//! The memory that one chunk travels through, and its states on the way.
//!
//! A slot is idle in the pool, then
//! 1. *filling*: its upload buffer is mapped and the host writes parameters and rows;
//! 2. *under way* ([`InFlight`]): copied to the device, computed, copied back;
//! 3. *mapped* ([`ReadView`]): the host reads the results in place.
//!
//! Dropping it in any state unmaps it and gives it back to the pool; what the GPU still does with
//! it finishes before the next filling begins, since that waits for the mapping. One state has no
//! way back: wgpu 30.0.1 loses an `unmap` that meets another thread's poll while the mapping comes
//! about. A slot dropped while a mapping is pending is therefore given up.

use std::sync::Arc;

use wgpu::{BindGroup, Buffer, BufferView, CommandEncoder, MapMode, SubmissionIndex, WriteOnly};

use super::Params;
use super::buffers::Buffers;
use super::context::Gpu;
use super::pool::{Lease, Pooled};
use super::wait::{Mode, Signal};
use crate::error::{Error, Result};

/// Which program a slot belongs to, and the rows it has room for.
pub(crate) type SlotKey = (&'static str, usize);

/// Buffers for chunks of up to `capacity` rows, and the bind groups over them.
pub(crate) struct Slot {
    buffers: Buffers,
    bound: Vec<BindGroup>,
    last_use: Option<SubmissionIndex>,
    reusable: bool,
}

impl Pooled for Slot {
    fn reusable(&self) -> bool {
        self.reusable
    }
}

impl Slot {
    pub(crate) fn new(buffers: Buffers, bound: Vec<BindGroup>) -> Self {
        Self { buffers, bound, last_use: None, reusable: true }
    }

    /// Maps the upload buffer and has `fill` write the input's sections for `rows` rows.
    pub(crate) async fn fill(
        &mut self,
        gpu: &Gpu,
        mode: Mode,
        rows: usize,
        params: Params,
        fill: impl FnOnce(Vec<WriteOnly<'_, [u8]>>) -> Result<()>,
    ) -> Result<()> {
        let Buffers { upload, inputs, layout, .. } = &self.buffers;
        let used = inputs.used(&layout.inputs, rows);
        let signal = Signal::new();
        upload.map_async(MapMode::Write, ..used, signal.callback());
        let unmap = Unmap(upload);
        // Stays so if the wait fails, or the future is dropped meanwhile.
        self.reusable = false;
        gpu.wait(mode, self.last_use.clone(), &signal).await?;
        self.reusable = true;
        let mut view = upload.get_mapped_range_mut(..used).map_err(mapping)?;
        let mut rest = view.slice(..);
        let mut written = 0;
        let mut sections = Vec::with_capacity(inputs.places.len());
        let params = bytemuck::bytes_of(&params);
        for (offset, bytes) in [(0, params.len() as u64)]
            .into_iter()
            .chain(inputs.places.iter().zip(&layout.inputs).map(|(p, b)| (p.0, b * rows as u64)))
        {
            let (_gap, from) = rest.split_at(offset as usize - written);
            let (section, after) = from.split_at(bytes as usize);
            sections.push(section);
            (rest, written) = (after, (offset + bytes) as usize);
        }
        sections.remove(0).copy_from_slice(params);
        let filled = fill(sections);
        drop(view);
        drop(unmap);
        filled
    }

    /// Runs what `record` adds on what is there, or is `sent` first; nothing is read back.
    pub(crate) fn run(
        &mut self,
        gpu: &Gpu,
        rows: usize,
        sent: bool,
        record: impl FnOnce(&mut CommandEncoder, &[BindGroup]),
    ) -> Result<()> {
        let Buffers { upload, input, inputs, layout, .. } = &self.buffers;
        let bytes = inputs.used(&layout.inputs, rows);
        let submission = gpu.scoped("the work of a chunk", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            if sent {
                encoder.copy_buffer_to_buffer(upload, 0, input, 0, bytes);
            }
            record(&mut encoder, &self.bound);
            gpu.queue().submit([encoder.finish()])
        })?;
        self.last_use = Some(submission);
        Ok(())
    }

    /// Sends the chunk on its way: upload, the steps that `record` adds, readback.
    fn submit(
        &mut self,
        gpu: &Gpu,
        rows: usize,
        record: impl FnOnce(&mut CommandEncoder, &[BindGroup]),
    ) -> Result<(Arc<Signal>, u64)> {
        let Buffers { upload, input, inputs, output, outputs, staging, layout, .. } = &self.buffers;
        let (sent, read) = (inputs.used(&layout.inputs, rows), outputs.used(&layout.outputs, rows));
        let signal = Signal::new();
        let submission = gpu.scoped("the work of a chunk", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(upload, 0, input, 0, sent);
            record(&mut encoder, &self.bound);
            if let Some(staging) = staging {
                encoder.copy_buffer_to_buffer(output, 0, staging, 0, read);
            }
            let submission = gpu.queue().submit([encoder.finish()]);
            self.buffers.readback().map_async(MapMode::Read, ..read, signal.callback());
            submission
        })?;
        self.last_use = Some(submission);
        Ok((signal, read))
    }
}

/// Unmaps a buffer that was asked to be mapped, however its use ends.
struct Unmap<'a>(&'a Buffer);

impl Drop for Unmap<'_> {
    fn drop(&mut self) {
        self.0.unmap();
    }
}

fn mapping(error: wgpu::MapRangeError) -> Error {
    Error::Gpu { what: "the mapping of a chunk", detail: error.to_string() }
}

/// A chunk under way.
pub(crate) struct InFlight {
    lease: Lease<SlotKey, Slot>,
    signal: Arc<Signal>,
    read_bytes: u64,
    rows: usize,
}

impl InFlight {
    /// Submits a filled slot.
    pub(crate) fn submit(
        mut lease: Lease<SlotKey, Slot>,
        gpu: &Gpu,
        rows: usize,
        record: impl FnOnce(&mut CommandEncoder, &[BindGroup]),
    ) -> Result<Self> {
        let (signal, read_bytes) = lease.submit(gpu, rows, record)?;
        Ok(Self { lease, signal, read_bytes, rows })
    }

    /// Waits for the results. The chunk is to be dropped if this fails.
    pub(crate) async fn arrived(&self, gpu: &Gpu, mode: Mode) -> Result<()> {
        gpu.wait(mode, self.lease.last_use.clone(), &self.signal).await
    }

    /// Views the results, once they have arrived.
    pub(crate) fn view(self) -> Result<ReadView> {
        let view = self.lease.buffers.readback().get_mapped_range(..self.read_bytes);
        let view = Some(view.map_err(mapping)?);
        Ok(ReadView { view, flight: self })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // Asked before unmapping, which may itself set the signal.
        self.lease.reusable = self.signal.is_set();
        self.lease.buffers.readback().unmap();
    }
}

/// A chunk's results in mapped memory.
pub(crate) struct ReadView {
    // An option, so that it goes before the buffer is unmapped.
    view: Option<BufferView>,
    flight: InFlight,
}

impl ReadView {
    /// The bytes of one section of the output, as many as the chunk's rows fill.
    pub(crate) fn section(&self, index: usize) -> &[u8] {
        let Buffers { outputs, layout, .. } = &self.flight.lease.buffers;
        let start = outputs.places[index].0 as usize;
        let bytes = layout.outputs[index] as usize * self.flight.rows;
        let view = self.view.as_ref().expect("a view is there until it is dropped");
        &view[start..start + bytes]
    }
}

impl Drop for ReadView {
    fn drop(&mut self) {
        self.view = None;
    }
}
