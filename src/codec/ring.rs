//! The ring: the chunks of a call. The GPU computes some chunks while another is copied out.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::gpu_engine::GpuEngine;
use crate::error::{Error, Result};
use crate::gpu::{
    InFlight, Lease, Params, Program, ReadView, SectionWriters, Slot, SlotKey, Timestamps,
};
use crate::plan::count;
use crate::wait::WaitMode;

/// Writes the input's sections of some rows.
type Fill<'a> = dyn Fn(Range<usize>, SectionWriters<'_>) -> Result<()> + Send + Sync + 'a;

/// One call's chunks, in order.
///
/// A chunk's steps are [`lease`](Self::lease), [`fill`](Self::fill), [`submit`](Self::submit) and
/// [`arrive`](Self::arrive). [`next`](Self::next) takes them for as many chunks at a time as there
/// are slots; measuring takes them one by one.
pub(super) struct Ring<'a> {
    engine: Arc<GpuEngine>,
    program: Arc<Program>,
    mode: WaitMode,
    /// Rows that are not submitted yet.
    rest: Range<usize>,
    chunk_rows: usize,
    scale_stride: u32,
    fill: Box<Fill<'a>>,
    in_flight: VecDeque<(Range<usize>, InFlight)>,
}

impl<'a> Ring<'a> {
    /// Sends `rows` rows through a program, in chunks that aim at `chunk_bytes` bytes.
    /// `scale_stride` is 1 where every row has a scale, and 0 where all rows share one.
    pub(super) fn new(
        engine: &Arc<GpuEngine>,
        program: Arc<Program>,
        mode: WaitMode,
        (rows, scale_stride): (usize, u32),
        chunk_bytes: u64,
        fill: impl Fn(Range<usize>, SectionWriters<'_>) -> Result<()> + Send + Sync + 'a,
    ) -> Result<Self> {
        let chunk_rows = program.chunk_rows(&engine.gpu, chunk_bytes)?;
        let in_flight = VecDeque::with_capacity(engine.gpu.caps().slots);
        let (rest, fill) = (0..rows, Box::new(fill));
        let engine = engine.clone();
        Ok(Self { engine, program, mode, rest, chunk_rows, scale_stride, fill, in_flight })
    }

    /// The next chunk's rows and results, while the chunks after it are in flight; none after the
    /// last chunk or after an error.
    pub(super) async fn next(&mut self) -> Option<Result<(Range<usize>, ReadView)>> {
        let next = self.try_next().await;
        if next.is_err() {
            self.rest.start = self.rest.end;
            self.in_flight.clear();
        }
        next.transpose()
    }

    async fn try_next(&mut self) -> Result<Option<(Range<usize>, ReadView)>> {
        self.start().await?;
        let Some((range, chunk)) = self.in_flight.pop_front() else { return Ok(None) };
        Ok(Some((range, self.arrive(chunk).await?)))
    }

    /// Rows of the chunk that `next` will return, zero after the last.
    pub(super) fn next_rows(&self) -> usize {
        match self.in_flight.front() {
            Some((range, _)) => range.len(),
            None => self.rest.len().min(self.chunk_rows),
        }
    }

    /// Submits as many chunks as there are slots. Called before `next`, it lets the caller prepare
    /// memory for the results while the GPU works on them, and fixes the rows of the next chunk.
    ///
    /// Where the memory of the GPU is full, fewer chunks are in flight, and then chunks get smaller.
    pub(super) async fn start(&mut self) -> Result<()> {
        while self.in_flight.len() < self.engine.gpu.caps().slots {
            let Some(range) = self.take_range() else { break };
            let mut slot = match self.lease(range.len()) {
                Err(Error::OutOfMemory { .. }) if !self.in_flight.is_empty() => {
                    self.rest.start = range.start;
                    break;
                }
                Err(Error::OutOfMemory { .. }) if range.len() > 1 => {
                    self.rest.start = range.start;
                    self.chunk_rows = range.len() / 2;
                    continue;
                }
                leased => leased?,
            };
            self.fill(&mut slot, range.clone()).await?;
            let chunk = self.submit(slot, range.len(), None)?;
            self.in_flight.push_back((range, chunk));
        }
        Ok(())
    }

    /// The rows of the next chunk to submit; none after the last.
    pub(super) fn take_range(&mut self) -> Option<Range<usize>> {
        let range = self.rest.start..self.rest.end.min(self.rest.start + self.chunk_rows);
        self.rest.start = range.end;
        (!range.is_empty()).then_some(range)
    }

    /// Step 1: finds buffers in the pool, or creates them.
    pub(super) fn lease(&self, rows: usize) -> Result<Lease<SlotKey, Slot>> {
        self.engine.lease(&self.program, rows, self.chunk_rows)
    }

    /// Step 2: writes the input of some rows into mapped memory.
    pub(super) async fn fill(
        &self,
        slot: &mut Lease<SlotKey, Slot>,
        range: Range<usize>,
    ) -> Result<()> {
        let params = Params { rows: count(range.len()), scale_stride: self.scale_stride };
        let fill = |sections: SectionWriters<'_>| (self.fill)(range, sections);
        slot.fill(&self.engine.gpu, self.mode, params, fill).await
    }

    /// Step 3: submits a filled slot.
    pub(super) fn submit(
        &self,
        slot: Lease<SlotKey, Slot>,
        rows: usize,
        timestamps: Option<&Timestamps>,
    ) -> Result<InFlight> {
        InFlight::submit(slot, &self.engine.gpu, rows, |encoder, bind_groups| {
            self.program.record(encoder, bind_groups, rows, timestamps);
            if let Some(timestamps) = timestamps {
                timestamps.resolve(encoder);
            }
        })
    }

    /// Step 4: waits for the results, and views them.
    pub(super) async fn arrive(&self, chunk: InFlight) -> Result<ReadView> {
        chunk.arrived(&self.engine.gpu, self.mode).await?;
        chunk.view()
    }

    /// The number of passes of a chunk, for timestamps.
    pub(super) fn passes(&self) -> u32 {
        self.program.passes()
    }
}
