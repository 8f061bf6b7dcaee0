//! A model on a GPU: its programs, and the pool of slots for its chunks.

use std::sync::atomic::{AtomicU64, Ordering};

use super::options::Stats;
use crate::error::Result;
use crate::gpu::{
    Buffers, Gpu, KernelOptions, Lease, Pool, PoolStats, Program, Programs, Readback, Slot, SlotKey,
};
use crate::model::Model;
use crate::plan::capacity;

pub(super) struct GpuEngine {
    pub(super) gpu: Gpu,
    pub(super) programs: Programs,
    pool: Pool<SlotKey, Slot>,
    buffers_created: AtomicU64,
}

/// The pool keeps idle slots of up to this many times the largest ring.
const IDLE_RINGS: u64 = 2;

impl GpuEngine {
    pub(super) fn new(gpu: Gpu, model: &Model, options: KernelOptions) -> Result<Self> {
        let caps = gpu.caps();
        let programs = Programs::new(&gpu, model, options)?;
        // A slot has four buffers and its scratch, each of at most the chunk's bytes.
        let pool = Pool::new(IDLE_RINGS * caps.slots as u64 * 5 * caps.chunk_bytes.large);
        Ok(Self { gpu, programs, pool, buffers_created: AtomicU64::new(0) })
    }

    /// A slot for `rows` rows of a program whose chunks have at most `chunk_rows` rows.
    pub(super) fn lease(
        &self,
        program: &Program,
        rows: usize,
        chunk_rows: usize,
    ) -> Result<Lease<SlotKey, Slot>> {
        let capacity = capacity(rows, chunk_rows);
        self.pool.lease((program.verb(), capacity), || {
            let (slot, buffers, bytes) = self.slot(program, capacity, Readback::Mapped)?;
            self.buffers_created.fetch_add(buffers, Ordering::Relaxed);
            Ok((slot, bytes))
        })
    }

    /// A new slot, the number of its buffers, and their bytes.
    pub(super) fn slot(
        &self,
        program: &Program,
        capacity: usize,
        readback: Readback,
    ) -> Result<(Slot, u64, u64)> {
        let buffers = Buffers::new(&self.gpu, program.layout(), capacity, readback)?;
        let (count, bytes) = (buffers.count(), buffers.bytes);
        let bind_groups = program.bind(&self.gpu, &buffers)?;
        Ok((Slot::new(&self.gpu, buffers, bind_groups), count, bytes))
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
}
