//! The ring: a call's chunks on their way through slots, some computed while one is copied.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use wgpu::WriteOnly;

use super::breakdown::Breakdown;
use super::options::Stats;
use super::transfer::write_rows;
use crate::error::{Error, Result};
use crate::gpu::{
    Buffers, Gpu, InFlight, Kernels, Lease, Mode, Params, Pool, PoolStats, Program, Programs,
    ReadView, Readback, Slot, SlotKey, Timestamps,
};
use crate::model::Model;
use crate::plan::{capacity, count};
use crate::rows::Rows;

/// A model on a GPU: its programs, and the slots that chunks travel in.
pub(super) struct GpuEngine {
    pub(super) gpu: Gpu,
    pub(super) programs: Programs,
    pool: Pool<SlotKey, Slot>,
    buffers_created: AtomicU64,
}

/// Idle slots are kept up to this many times the largest one's ring.
const IDLE_RINGS: u64 = 2;

impl GpuEngine {
    pub(super) fn new(gpu: Gpu, model: &Model, kernels: Kernels) -> Result<Self> {
        let caps = gpu.caps();
        let programs = Programs::new(&gpu, model, kernels)?;
        // A slot has at most four buffers of the chunk's bytes.
        let pool = Pool::new(IDLE_RINGS * caps.slots as u64 * 4 * caps.chunk_bytes.large);
        Ok(Self { gpu, programs, pool, buffers_created: AtomicU64::new(0) })
    }

    pub(super) fn stats(&self) -> Stats {
        let PoolStats { hits, misses, bytes_in_use, bytes_idle, bytes_peak } = self.pool.stats();
        Stats {
            pool_hits: hits,
            pool_misses: misses,
            buffers_created: self.buffers_created.load(Ordering::Relaxed),
            bytes_in_use,
            bytes_idle,
            bytes_peak,
        }
    }

    /// Sends `rows` rows through a program; `fill` writes the input's sections of a chunk.
    pub(super) fn run<'a>(
        &'a self,
        program: &'a Program,
        mode: Mode,
        rows: usize,
        scale_stride: u32,
        fill: impl Fn(Range<usize>, Vec<WriteOnly<'_, [u8]>>) -> Result<()> + Send + Sync + 'a,
    ) -> Result<Ring<'a>> {
        let chunk_rows = program.chunk_rows(&self.gpu, self.gpu.caps().chunk_bytes.copied)?;
        let under_way = VecDeque::with_capacity(self.gpu.caps().slots);
        let (rest, fill) = (0..rows, Box::new(fill));
        Ok(Ring { engine: self, program, mode, rest, chunk_rows, scale_stride, fill, under_way })
    }
}

impl GpuEngine {
    /// Sends rows, or latents, through a program that takes nothing else.
    pub(super) fn run_rows<'a>(
        &'a self,
        program: &'a Program,
        mode: Mode,
        rows: &'a Rows<'a>,
    ) -> Result<Ring<'a>> {
        self.run(program, mode, rows.len(), 1, |range, sections| {
            sections.into_iter().try_for_each(|to| write_rows(rows, range.clone(), to))
        })
    }
}

type Fill<'a> = dyn Fn(Range<usize>, Vec<WriteOnly<'_, [u8]>>) -> Result<()> + Send + Sync + 'a;

/// One call's chunks, in order.
pub(super) struct Ring<'a> {
    engine: &'a GpuEngine,
    program: &'a Program,
    mode: Mode,
    /// Rows not yet submitted.
    rest: Range<usize>,
    chunk_rows: usize,
    scale_stride: u32,
    fill: Box<Fill<'a>>,
    under_way: VecDeque<(Range<usize>, InFlight)>,
}

impl Ring<'_> {
    /// With the longer chunks that pay where the host copies little.
    pub(super) fn large_chunks(mut self) -> Result<Self> {
        let gpu = &self.engine.gpu;
        self.chunk_rows = self.program.chunk_rows(gpu, gpu.caps().chunk_bytes.large)?;
        Ok(self)
    }

    /// The next chunk's rows and results, while those behind it are under way; none after the
    /// last. After an error there are no more.
    pub(super) async fn next(&mut self) -> Option<Result<(Range<usize>, ReadView)>> {
        let next = self.try_next().await;
        if next.is_err() {
            self.rest.start = self.rest.end;
            self.under_way.clear();
        }
        next.transpose()
    }

    async fn try_next(&mut self) -> Result<Option<(Range<usize>, ReadView)>> {
        self.start().await?;
        let Some((range, chunk)) = self.under_way.pop_front() else { return Ok(None) };
        chunk.arrived(&self.engine.gpu, self.mode).await?;
        Ok(Some((range, chunk.view()?)))
    }

    /// Rows of the chunk that `next` will bring, zero after the last.
    pub(super) fn next_rows(&self) -> usize {
        match self.under_way.front() {
            Some((range, _)) => range.len(),
            None => self.rest.len().min(self.chunk_rows),
        }
    }

    /// Sends as many chunks on their way as there are slots. Before the first `next`, it lets the
    /// caller prepare a place for the results while the GPU works on them.
    pub(super) async fn start(&mut self) -> Result<()> {
        while !self.rest.is_empty() && self.under_way.len() < self.engine.gpu.caps().slots {
            let range = self.rest.start..self.rest.end.min(self.rest.start + self.chunk_rows);
            let chunk = self.submit(range.clone()).await?;
            self.rest.start = range.end;
            self.under_way.push_back((range, chunk));
        }
        Ok(())
    }

    async fn submit(&self, range: Range<usize>) -> Result<InFlight> {
        let slot = self.filled(range.clone(), &mut Breakdown::default()).await?;
        let (program, rows) = (self.program, range.len());
        InFlight::submit(slot, &self.engine.gpu, rows, |encoder, bound| {
            program.record(encoder, bound, rows, None);
        })
    }

    /// A slot that holds these rows' input.
    async fn filled(
        &self,
        range: Range<usize>,
        parts: &mut Breakdown,
    ) -> Result<Lease<SlotKey, Slot>> {
        let Self { engine: GpuEngine { gpu, pool, .. }, program, .. } = self;
        let (start, rows) = (Instant::now(), range.len());
        let capacity = capacity(rows, self.chunk_rows);
        let mut slot = pool.lease((program.label, capacity), || {
            let buffers = Buffers::new(gpu, &program.layout, capacity, Readback::Mapped)?;
            let bytes = buffers.bytes;
            self.engine.buffers_created.fetch_add(buffers.count(), Ordering::Relaxed);
            let bound = gpu.scoped("the bind groups of a chunk", || program.bind(gpu, &buffers))?;
            Ok((Slot::new(buffers, bound), bytes))
        })?;
        let leased = Instant::now();
        let params = Params { rows: count(rows), scale_stride: self.scale_stride };
        slot.fill(gpu, self.mode, rows, params, |sections| (self.fill)(range, sections)).await?;
        parts.allocation += leased - start;
        parts.upload += leased.elapsed();
        Ok(slot)
    }

    /// As `next`, with one chunk under way at a time, and what each part took.
    pub(super) async fn next_timed(
        &mut self,
        parts: &mut Breakdown,
    ) -> Option<Result<(Range<usize>, ReadView)>> {
        let range = self.rest.start..self.rest.end.min(self.rest.start + self.chunk_rows);
        self.rest.start = range.end;
        if range.is_empty() {
            return None;
        }
        Some(self.timed(range, parts).await)
    }

    async fn timed(
        &self,
        range: Range<usize>,
        parts: &mut Breakdown,
    ) -> Result<(Range<usize>, ReadView)> {
        let (gpu, program, rows) = (&self.engine.gpu, self.program, range.len());
        let slot = self.filled(range.clone(), parts).await?;
        let timestamps = Timestamps::new(gpu, program.passes())?;
        let start = Instant::now();
        let chunk = InFlight::submit(slot, gpu, rows, |encoder, bound| {
            program.record(encoder, bound, rows, timestamps.as_ref());
            if let Some(timestamps) = &timestamps {
                timestamps.resolve(encoder);
            }
        })?;
        chunk.arrived(gpu, self.mode).await?;
        let view = chunk.view()?;
        let arrival = start.elapsed();
        let kernel = match timestamps {
            Some(timestamps) => timestamps.read(gpu).await?,
            None => None,
        };
        parts.kernel = parts.kernel.zip(kernel).map(|(sum, kernel)| sum + kernel);
        parts.readback += arrival.saturating_sub(kernel.unwrap_or_default());
        Ok((range, view))
    }
}

/// Bytes of mapped memory as values.
pub(super) fn values<T: bytemuck::Pod>(bytes: &[u8]) -> Result<&[T]> {
    bytemuck::try_cast_slice(bytes)
        .map_err(|e| Error::Gpu { what: "aligned mapped memory", detail: e.to_string() })
}
