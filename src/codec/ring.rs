//! The ring: the chunks of a call. The GPU computes some chunks while another is copied out.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::blocks::Use;
use super::gpu_engine::GpuEngine;
use crate::error::{Error, Result};
use crate::gpu::{
    InFlight, Lease, Params, Program, ReadView, SectionWriters, Slot, SlotKey, Timestamps,
};
use crate::plan::count;
use crate::wait::WaitMode;

/// Writes the input's sections of some rows.
type Fill<'a> = dyn Fn(Range<usize>, SectionWriters<'_>) -> Result<()> + Send + Sync + 'a;

/// One call's chunks, in order. Several GPUs take turns.
///
/// A chunk's steps are [`lease`](Self::lease), [`fill`](Self::fill), [`submit`](Self::submit) and
/// [`arrive`](Self::arrive). [`next`](Self::next) takes them for as many chunks at a time as there
/// are slots; measuring takes them one by one.
pub(super) struct Ring<'a> {
    lanes: Vec<Lane>,
    mode: WaitMode,
    /// Rows that are not submitted yet.
    rest: Range<usize>,
    /// The number of the lane that takes the next chunk.
    turn: usize,
    chunk_rows: usize,
    scale_stride: u32,
    fill: Box<Fill<'a>>,
    in_flight: VecDeque<Sent>,
}

/// A GPU, and what runs there.
struct Lane {
    engine: Arc<GpuEngine>,
    program: Arc<Program>,
    /// Whether its memory was full, and another's was not: it gets no more chunks of this call.
    is_full: bool,
}

/// Some rows, and the number of their lane.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) range: Range<usize>,
    lane: usize,
}

/// A submitted chunk.
struct Sent {
    turn: Turn,
    chunk: InFlight,
}

impl<'a> Ring<'a> {
    /// Sends `rows` rows through a program of each engine, in chunks that aim at as many bytes as suit the purpose.
    /// `scale_stride` is 1 where every row has a scale, and 0 where all rows share one.
    pub(super) fn new(
        engines: &[Arc<GpuEngine>],
        program: impl Fn(&GpuEngine) -> Result<Arc<Program>>,
        mode: WaitMode,
        (rows, scale_stride): (usize, u32),
        purpose: Use,
        fill: impl Fn(Range<usize>, SectionWriters<'_>) -> Result<()> + Send + Sync + 'a,
    ) -> Result<Self> {
        let lane = |engine: &Arc<GpuEngine>| {
            Ok(Lane { engine: engine.clone(), program: program(engine)?, is_full: false })
        };
        let lanes = engines.iter().map(lane).collect::<Result<Vec<Lane>>>()?;
        let mut chunk_rows = usize::MAX;
        for Lane { engine, program, .. } in &lanes {
            chunk_rows =
                chunk_rows.min(program.chunk_rows(&engine.gpu, engine.chunk_bytes(purpose))?);
        }
        let slots = lanes.iter().map(Lane::slots).sum();
        let (in_flight, fill) = (VecDeque::with_capacity(slots), Box::new(fill));
        // Small batches of many calls go to all GPUs in turn, too.
        let turn = if lanes.len() > 1 { lanes[0].engine.next_call() % lanes.len() } else { 0 };
        Ok(Self { lanes, mode, rest: 0..rows, turn, chunk_rows, scale_stride, fill, in_flight })
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
        let Some(Sent { turn, chunk }) = self.in_flight.pop_front() else { return Ok(None) };
        let view = self.arrive(&turn, chunk).await?;
        Ok(Some((turn.range, view)))
    }

    /// Rows of the chunk that `next` will return, zero after the last.
    pub(super) fn next_rows(&self) -> usize {
        match self.in_flight.front() {
            Some(Sent { turn, .. }) => turn.range.len(),
            None => self.rest.len().min(self.chunk_rows),
        }
    }

    /// Submits as many chunks as there are slots. Called before `next`, it lets the caller prepare
    /// memory for the results while the GPU works on them, and fixes the rows of the next chunk.
    ///
    /// Where the memory of the GPU is full, fewer chunks are in flight, and then chunks get smaller.
    pub(super) async fn start(&mut self) -> Result<()> {
        while self.in_flight.len() < self.slots() {
            let Some(turn) = self.take_turn() else { break };
            let rows = turn.range.len();
            let mut slot = match self.lease(&turn) {
                Err(Error::OutOfMemory { .. }) if self.has_others(turn.lane) => {
                    self.rest.start = turn.range.start;
                    self.lanes[turn.lane].is_full = true;
                    continue;
                }
                Err(Error::OutOfMemory { .. }) if !self.in_flight.is_empty() => {
                    self.rest.start = turn.range.start;
                    break;
                }
                Err(Error::OutOfMemory { .. }) if rows > 1 => {
                    self.rest.start = turn.range.start;
                    self.chunk_rows = rows / 2;
                    continue;
                }
                leased => leased?,
            };
            self.fill(&turn, &mut slot).await?;
            let chunk = self.submit(&turn, slot, None)?;
            self.in_flight.push_back(Sent { turn, chunk });
        }
        Ok(())
    }

    /// Chunks that are in flight at a time.
    fn slots(&self) -> usize {
        self.lanes.iter().filter(|lane| !lane.is_full).map(Lane::slots).sum()
    }

    /// The rows of the next chunk to submit, and where; none after the last.
    pub(super) fn take_turn(&mut self) -> Option<Turn> {
        let range = self.rest.start..self.rest.end.min(self.rest.start + self.chunk_rows);
        if range.is_empty() {
            return None;
        }
        let count = self.lanes.len();
        let mut lanes = (self.turn..self.turn + count).map(|lane| lane % count);
        let lane = lanes.find(|lane| !self.lanes[*lane].is_full)?;
        self.rest.start = range.end;
        self.turn = (lane + 1) % count;
        Some(Turn { range, lane })
    }

    /// Whether another lane has memory left, as far as is known.
    fn has_others(&self, lane: usize) -> bool {
        (0..self.lanes.len()).any(|other| other != lane && !self.lanes[other].is_full)
    }

    /// Step 1: finds buffers in the pool, or creates them.
    pub(super) fn lease(&self, turn: &Turn) -> Result<Lease<SlotKey, Slot>> {
        let Lane { engine, program, .. } = &self.lanes[turn.lane];
        engine.lease(program, turn.range.len(), self.chunk_rows)
    }

    /// Step 2: writes the input of some rows into mapped memory.
    pub(super) async fn fill(&self, turn: &Turn, slot: &mut Lease<SlotKey, Slot>) -> Result<()> {
        let params = Params { rows: count(turn.range.len()), scale_stride: self.scale_stride };
        let fill = |sections: SectionWriters<'_>| (self.fill)(turn.range.clone(), sections);
        slot.fill(&self.lanes[turn.lane].engine.gpu, self.mode, params, fill).await
    }

    /// Step 3: submits a filled slot.
    pub(super) fn submit(
        &self,
        turn: &Turn,
        slot: Lease<SlotKey, Slot>,
        timestamps: Option<&Timestamps>,
    ) -> Result<InFlight> {
        let (Lane { engine, program, .. }, rows) = (&self.lanes[turn.lane], turn.range.len());
        InFlight::submit(slot, &engine.gpu, rows, |encoder, bind_groups| {
            program.record(encoder, bind_groups, rows, timestamps);
            if let Some(timestamps) = timestamps {
                timestamps.resolve(encoder);
            }
        })
    }

    /// Step 4: waits for the results, and views them.
    pub(super) async fn arrive(&self, turn: &Turn, chunk: InFlight) -> Result<ReadView> {
        chunk.arrived(&self.lanes[turn.lane].engine.gpu, self.mode).await?;
        chunk.view()
    }
}

impl Lane {
    /// Chunks that are in flight at a time.
    fn slots(&self) -> usize {
        self.engine.gpu.caps().slots
    }
}
