//! A model on a GPU: its programs, and the pool of slots for its chunks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::gpu_search::GpuSearches;
use super::options::Stats;
use crate::error::{Error, Result};
use crate::gpu::{
    Buffers, Gpu, KernelOptions, Lease, Pool, PoolStats, Program, Programs, Readback, Scratch,
    Slot, SlotKey,
};
use crate::model::Model;
use crate::plan::{Section, capacity};

pub(super) struct GpuEngine {
    pub(super) gpu: Gpu,
    pub(super) programs: Programs,
    pool: Pool<SlotKey, Slot>,
    buffers_created: AtomicU64,
    calls: AtomicUsize,
    scratch: Pool<ScratchKey, Scratch>,
    pub(super) searches: GpuSearches,
}

/// What memory of a recording is for: the verb, sections of its own, rows, and bytes of parameters.
type ScratchKey = (&'static str, Vec<Section>, usize, u64);

/// The pool keeps idle slots of up to this many times the largest ring.
const IDLE_RINGS: u64 = 2;

impl GpuEngine {
    /// Places a model on a GPU. The buffers of its chunks take at most `budget` bytes.
    pub(super) fn new(
        gpu: Gpu,
        model: &Model,
        options: KernelOptions,
        budget: u64,
    ) -> Result<Self> {
        let caps = gpu.caps();
        let programs = Programs::new(&gpu, model, options)?;
        // A slot has four buffers and its scratch, each of at most the chunk's bytes.
        let idle_budget = IDLE_RINGS * caps.slots as u64 * 5 * caps.chunk_bytes.large;
        let pool = Pool::new(idle_budget, budget);
        let searches = GpuSearches::new(gpu.clone(), budget);
        Ok(Self {
            gpu,
            programs,
            pool,
            buffers_created: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            scratch: Pool::new(idle_budget, budget),
            searches,
        })
    }

    /// The number of a call, of those that ask for one.
    pub(super) fn next_call(&self) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// A slot for `rows` rows of a program whose chunks have at most `chunk_rows` rows.
    ///
    /// Where the memory of the GPU is full, idle buffers of this codec are freed, and the slot is
    /// created once more.
    pub(super) fn lease(
        &self,
        program: &Program,
        rows: usize,
        chunk_rows: usize,
    ) -> Result<Lease<SlotKey, Slot>> {
        let capacity = capacity(rows, chunk_rows);
        let bytes = || Buffers::bytes(&self.gpu, program.layout(), capacity, Readback::Mapped);
        let lease = || {
            self.pool.lease((program.verb(), capacity), bytes, || {
                let (slot, buffers) = self.slot(program, capacity, Readback::Mapped)?;
                self.buffers_created.fetch_add(buffers, Ordering::Relaxed);
                Ok(slot)
            })
        };
        lease().or_else(|error| {
            if !matches!(error, Error::OutOfMemory { .. }) {
                return Err(error);
            }
            self.pool.trim();
            self.gpu.device_queue().free_dropped();
            lease().map_err(|error| error.with_bytes_held(self.pool.stats().bytes_in_use))
        })
    }

    /// Memory for a recording of `rows` rows in chunks of up to `chunk_rows`, with those sections in it that are no
    /// buffers of the caller's. It may be used again as soon as the recording is complete.
    pub(super) fn scratch(
        &self,
        program: &Program,
        own: &[Section],
        [rows, chunk_rows]: [usize; 2],
        parameter_bytes: u64,
    ) -> Result<Lease<ScratchKey, Scratch>> {
        let capacity = capacity(rows, chunk_rows);
        let bytes = parameter_bytes.next_power_of_two();
        let layout = program.layout();
        self.scratch.lease(
            (program.verb(), own.to_vec(), capacity, bytes),
            || Scratch::bytes(layout, own, capacity, bytes),
            || Scratch::new(&self.gpu, layout, own, capacity, bytes),
        )
    }

    /// A new slot, and the number of its buffers.
    pub(super) fn slot(
        &self,
        program: &Program,
        capacity: usize,
        readback: Readback,
    ) -> Result<(Slot, u64)> {
        let buffers = Buffers::new(&self.gpu, program.layout(), capacity, readback)?;
        let count = buffers.count();
        let bind_groups = program.bind(&self.gpu, &buffers)?;
        Ok((Slot::new(&self.gpu, buffers, bind_groups), count))
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
            recoveries: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::blocks::Use;
    use super::super::engine::decode_ring;
    use super::*;
    use crate::codes::Codes;
    use crate::model::ModelConfig;
    use crate::plan::Section;
    use crate::wait::WaitMode;

    /// A driver that reports a chunk as done, and has not done it.
    #[test]
    #[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
    fn a_chunk_without_its_stamp_is_no_result() {
        let model = Model::random(ModelConfig::int8(6, 4), 3).unwrap();
        let codes = Codes::from_parts(&model, vec![1; 4 * 100], 1.0).unwrap();
        let gpu = Gpu::new().unwrap().stamped();
        let engine =
            Arc::new(GpuEngine::new(gpu, &model, KernelOptions::default(), u64::MAX).unwrap());
        let decode = |forged: bool| {
            let program = |engine: &GpuEngine| engine.programs.decode.clone();
            let engines = std::slice::from_ref(&engine);
            let mut ring = decode_ring(engines, program, &codes, WaitMode::Blocking, Use::Copied)?;
            let turn = ring.take_turn().unwrap();
            let mut slot = ring.lease(&turn)?;
            pollster::block_on(ring.fill(&turn, &mut slot))?;
            let mut chunk = ring.submit(&turn, slot, None)?;
            if forged {
                chunk.expect_more();
            }
            let view = pollster::block_on(ring.arrive(&turn, chunk))?;
            view.section(Section::Rows).map(<[u8]>::to_vec)
        };
        let rows = decode(false).unwrap();
        for _ in 0..3 {
            let error = decode(true).unwrap_err();
            assert!(matches!(error, Error::Gpu { what: "the work of a chunk", .. }), "{error:?}");
            assert_eq!(decode(false).unwrap(), rows, "the same buffers again");
        }
        assert_eq!(engine.pool.stats().misses, 1);
    }
}
