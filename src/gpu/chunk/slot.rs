//! The states of a chunk's memory.
//!
//! A slot is idle in the pool, then
//! 1. *filling*: its upload buffer is mapped, and the host writes parameters and rows;
//! 2. *in flight* ([`InFlight`]): copied to the device, computed, copied back;
//! 3. *mapped* ([`ReadView`]): the host reads the results in place.
//!
//! Dropping it in any state unmaps it and returns it to the pool. What the GPU still does with it
//! ends before the next filling begins, because that waits for the mapping. One state has no way
//! back: wgpu 30.0.1 loses an `unmap` that meets another thread's poll while the mapping happens. A
//! slot that is dropped while a mapping is pending is therefore not used again.

use std::sync::Arc;

use wgpu::{BindGroup, BufferView, CommandEncoder, MapMode, SubmissionIndex, WriteOnly};

use super::super::device::{DeviceQueue, Gpu, Signal, ViewGuard};
use super::buffers::{Buffers, missing};
use super::params::{Params, STAMP, STAMP_BYTES};
use super::pool::{Lease, Pooled};
use crate::error::{Error, Result};
use crate::plan::{Section, Spans};
use crate::wait::WaitMode;

/// Which program a slot belongs to, and the rows it has room for.
pub(crate) type SlotKey = (&'static str, usize);

/// Buffers for chunks of up to `capacity` rows, and the bind groups over them.
pub(crate) struct Slot {
    device: DeviceQueue,
    buffers: Buffers,
    bind_groups: Vec<BindGroup>,
    last_use: Option<SubmissionIndex>,
    reusable: bool,
    /// The number of the last filling. Buffers begin with zeros, so that no filling has number 0.
    stamp: u32,
}

impl Pooled for Slot {
    fn reusable(&self) -> bool {
        self.reusable
    }
}

/// Mapped memory for the sections of a chunk's input.
pub(crate) struct SectionWriters<'a>(Vec<(Section, WriteOnly<'a, [u8]>)>);

impl<'a> SectionWriters<'a> {
    /// Whether the input has a section that has not been taken.
    pub(crate) fn has(&self, section: Section) -> bool {
        self.0.iter().any(|(found, _)| *found == section)
    }

    /// The memory of a section, as many bytes as the chunk's rows take.
    pub(crate) fn take(&mut self, section: Section) -> Result<WriteOnly<'a, [u8]>> {
        let at = self.0.iter().position(|(found, _)| *found == section);
        Ok(self.0.swap_remove(at.ok_or_else(|| missing(section))?).1)
    }
}

impl Slot {
    pub(crate) fn new(gpu: &Gpu, buffers: Buffers, bind_groups: Vec<BindGroup>) -> Self {
        let device = gpu.device_queue().clone();
        Self { device, buffers, bind_groups, last_use: None, reusable: true, stamp: 0 }
    }

    /// Maps the upload buffer, writes the parameters and has `fill` write the input's sections.
    pub(crate) async fn fill(
        &mut self,
        gpu: &Gpu,
        mode: WaitMode,
        params: Params,
        fill: impl FnOnce(SectionWriters<'_>) -> Result<()>,
    ) -> Result<()> {
        let Buffers { upload, inputs, capacity, .. } = &self.buffers;
        let rows = params.rows as usize;
        if rows > *capacity {
            let detail = format!("a slot for {capacity} rows was to be filled with {rows}");
            return Err(Error::Internal { detail });
        }
        let used = inputs.used(rows);
        let signal = self.device.map(upload, MapMode::Write, ..used);
        let unmap = Unmap { device: &self.device, buffer: upload };
        // It stays so if the wait fails, or if the future is dropped meanwhile.
        self.reusable = false;
        gpu.wait(mode, self.last_use.clone(), &signal).await?;
        self.reusable = true;
        self.stamp = self.stamp.checked_add(1).unwrap_or(1);
        let _guard = self.device.hold_view();
        let view = upload.get_mapped_range_mut(..used);
        let mut view = view.map_err(|e| self.device.unmapped("the mapping of a chunk", &e))?;
        let filled = fill(sections(view.slice(..), inputs, &params, self.stamp));
        drop(view);
        drop(unmap);
        filled
    }

    /// Runs the passes that `record` adds on the slot's buffers, without readback. With
    /// `upload_first` the input is copied to the device first.
    pub(crate) fn run(
        &mut self,
        gpu: &Gpu,
        rows: usize,
        upload_first: bool,
        record: impl FnOnce(&mut CommandEncoder, &[BindGroup]),
    ) -> Result<()> {
        let Buffers { upload, input, inputs, .. } = &self.buffers;
        let submission = gpu.with_error_scopes("the work of a chunk", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            if upload_first {
                encoder.copy_buffer_to_buffer(upload, 0, input, 0, inputs.used(rows));
            }
            record(&mut encoder, &self.bind_groups);
            gpu.queue().submit([encoder.finish()])
        })?;
        self.last_use = Some(submission);
        Ok(())
    }

    /// Submits the chunk: upload, the dispatches that `record` adds, readback.
    fn submit(
        &mut self,
        gpu: &Gpu,
        rows: usize,
        record: impl FnOnce(&mut CommandEncoder, &[BindGroup]),
    ) -> Result<(Arc<Signal>, u64)> {
        let Buffers { upload, input, inputs, output, outputs, staging, stamp_bytes, .. } =
            &self.buffers;
        let (upload_bytes, output_bytes) = (inputs.used(rows), outputs.used(rows));
        let read_bytes = output_bytes + stamp_bytes;
        let submission = gpu.with_error_scopes("the work of a chunk", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(upload, 0, input, 0, upload_bytes);
            record(&mut encoder, &self.bind_groups);
            if *stamp_bytes > 0 {
                // The device orders this copy behind the kernels, because both write to the output.
                let (from, to) = (STAMP.start, output_bytes);
                encoder.copy_buffer_to_buffer(upload, from, output, to, STAMP_BYTES);
            }
            if let Some(staging) = staging {
                encoder.copy_buffer_to_buffer(output, 0, staging, 0, read_bytes);
            }
            gpu.queue().submit([encoder.finish()])
        })?;
        self.last_use = Some(submission);
        let signal = self.device.map(self.buffers.readback(), MapMode::Read, ..read_bytes);
        Ok((signal, read_bytes))
    }
}

/// Writes the parameters and the stamp, and divides the bytes behind them into sections.
fn sections<'a>(
    rest: WriteOnly<'a, [u8]>,
    inputs: &Spans,
    params: &Params,
    stamp: u32,
) -> SectionWriters<'a> {
    let (mut head, mut rest) = rest.split_at(STAMP.end as usize);
    let params_bytes = bytemuck::bytes_of(params);
    head.slice(..params_bytes.len()).copy_from_slice(params_bytes);
    head.slice(STAMP.start as usize..).copy_from_slice(&stamp.to_le_bytes());
    let mut written = STAMP.end;
    let mut sections = Vec::with_capacity(inputs.spans.len());
    for span in &inputs.spans {
        let (_gap, from) = rest.split_at((span.offset - written) as usize);
        let bytes = span.row_bytes * u64::from(params.rows);
        let (section, after) = from.split_at(bytes as usize);
        sections.push((span.section, section));
        (rest, written) = (after, span.offset + bytes);
    }
    SectionWriters(sections)
}

/// Unmaps a buffer for which a mapping was requested, when it is dropped.
struct Unmap<'a> {
    device: &'a DeviceQueue,
    buffer: &'a wgpu::Buffer,
}

impl Drop for Unmap<'_> {
    fn drop(&mut self) {
        self.device.unmap(self.buffer);
    }
}

/// A chunk in flight.
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

    /// Waits for the results. Drop the chunk if this fails.
    pub(crate) async fn arrived(&self, gpu: &Gpu, mode: WaitMode) -> Result<()> {
        gpu.wait(mode, self.lease.last_use.clone(), &self.signal).await
    }

    /// Views the results, once they have arrived.
    pub(crate) fn view(self) -> Result<ReadView> {
        // Held first: the memory of a view that is not counted yet may be freed by another thread's poll.
        let _guard = self.lease.device.hold_view();
        let view = self.lease.buffers.readback().get_mapped_range(..self.read_bytes);
        let device = &self.lease.device;
        let view = view.map_err(|e| device.unmapped("the mapping of a chunk", &e))?;
        let stamp_bytes = self.lease.buffers.stamp_bytes as usize;
        let (found, expected) = (&view[view.len() - stamp_bytes..], self.lease.stamp);
        if stamp_bytes > 0 && found != expected.to_le_bytes() {
            device.find_loss()?;
            let detail = format!(
                "it was reported as done, and its last step was not: the results carry the number \
                 {found:?} instead of {expected}. Pass smaller batches, or use Engine::Cpu"
            );
            return Err(Error::Gpu { what: "the work of a chunk", detail });
        }
        Ok(ReadView { view: Some(view), flight: self, _guard })
    }
}

#[cfg(test)]
impl InFlight {
    /// Expects a number that the device does not write, as if it had not done the work.
    pub(crate) fn expect_more(&mut self) {
        self.lease.stamp += 1;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // Asked before unmapping, which may itself set the signal.
        self.lease.reusable = self.signal.is_set();
        self.lease.device.unmap(self.lease.buffers.readback());
    }
}

/// A chunk's results in mapped memory.
pub(crate) struct ReadView {
    // An option, so that it is dropped before the buffer is unmapped.
    view: Option<BufferView>,
    flight: InFlight,
    /// Dropped last.
    _guard: ViewGuard,
}

impl ReadView {
    /// The bytes of a section of the output, as many as the chunk's rows take. Fails on a lost
    /// device, which may have freed the memory.
    pub(crate) fn section(&self, section: Section) -> Result<&[u8]> {
        self.flight.lease.device.check_lost()?;
        let span = self.flight.lease.buffers.outputs.find(section);
        let span = span.ok_or_else(|| missing(section))?;
        let start = span.offset as usize;
        let bytes = span.row_bytes as usize * self.flight.rows;
        let view = self.view.as_ref().expect("a view is there until it is dropped");
        Ok(&view[start..start + bytes])
    }
}

impl Drop for ReadView {
    fn drop(&mut self) {
        self.view = None;
    }
}
