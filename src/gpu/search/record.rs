//! A search on a device from queries there, with the hits left there.
//!
//! ```text
//! prepare:            queries -> scaled rows; lists begin
//! project:            scaled rows -> values of latents
//! scan, select:       all rounds, in f32, with ties broken
//! rank:               lists -> hits
//! ```

use wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::super::chunk::{Lease, Pool, Pooled};
use super::super::device::Gpu;
use super::super::kernels::SearchBuffer;
use super::buffers::rounded;
use super::layout::SearchLayout;
use super::program::begin_pass;
use super::programs::SearchPrograms;
use super::work::{Memory, Part, Searched, Wanted, Work, candidate_bytes};
use crate::error::Result;
use crate::model::Model;
use crate::plan::count;

/// Device memory of a recording, which all later ones use again: see `gpu::chunk::recorded`.
pub(crate) struct RecordSlot {
    parameters: Buffer,
    scaled: Buffer,
    projected: Buffer,
    lists: Buffer,
    candidates: Buffer,
    /// A selection binds it. Nothing is written to it where ties are broken.
    found: Buffer,
}

/// Bytes of parameters, scaled and projected queries, lists, candidates and found rows.
type Sizes = [u64; 6];

pub(crate) type RecordPool = Pool<Sizes, RecordSlot>;

impl Pooled for RecordSlot {
    fn reusable(&self) -> bool {
        true
    }
}

impl RecordSlot {
    fn lease(gpu: &Gpu, pool: &RecordPool, sizes: Sizes) -> Result<Lease<Sizes, Self>> {
        let sizes = sizes.map(rounded);
        pool.lease(sizes, || sizes.iter().sum(), || Self::new(gpu, sizes))
    }

    fn new(gpu: &Gpu, sizes: Sizes) -> Result<Self> {
        let [parameters, scaled, projected, lists, candidates, found] = sizes;
        let device = gpu.device_queue();
        let storage = BufferUsages::STORAGE;
        let buffer = |bytes| device.buffer("vecodec.search.recorded", bytes, storage);
        let made = gpu.with_error_scopes("the buffers of a search", || Self {
            parameters: device.buffer(
                "vecodec.search.recorded.parameters",
                parameters,
                storage | BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            ),
            scaled: buffer(scaled),
            projected: buffer(projected),
            lists: buffer(lists),
            candidates: buffer(candidates),
            found: buffer(found),
        });
        made.map_err(|error| error.with_bytes_required(sizes.iter().sum()))
    }
}

/// Queries as rows in a buffer of the caller's, and a buffer for their hits.
pub(crate) struct RecordedQueries<'a> {
    pub(crate) rows: Part<'a>,
    pub(crate) queries: usize,
    pub(crate) hits: Part<'a>,
    /// Hits of each query.
    pub(crate) k: usize,
}

impl SearchPrograms {
    /// Records a search.
    ///
    /// # Errors
    /// The device's memory is full, or the device is lost. Nothing is recorded then.
    pub(crate) fn record(
        &self,
        gpu: &Gpu,
        pool: &RecordPool,
        model: &Model,
        searched: &[Searched<'_>],
        encoder: &mut CommandEncoder,
        recorded: RecordedQueries<'_>,
    ) -> Result<()> {
        let RecordedQueries { rows, queries, hits, k } = recorded;
        let (groups, at_once) = SearchLayout::groups_in_f32(queries);
        let wanted = Wanted { queries, groups, at_once, k, breaks_ties: true };
        let work = Work::new(self, gpu, searched, wanted);
        let ends = self.ends(gpu, model)?;
        let projected = self.layout.query_bytes(queries, groups, at_once).projected;
        let scaled = rows.1.end - rows.1.start;
        let (lists, candidates) = (wanted.list_bytes(), wanted.candidate_bytes());
        let found = wanted.found_bytes();
        let sizes = [work.bytes, scaled, projected, lists, candidates, found];
        let slot = RecordSlot::lease(gpu, pool, sizes)?;
        let mut parameters = vec![0; work.bytes as usize];
        work.write(&mut parameters);
        let upload = gpu.upload("vecodec.search.recorded.upload", &parameters)?;
        let memory = Memory {
            parameters: &slot.parameters,
            others: vec![
                (SearchBuffer::QueryRows, rows),
                (SearchBuffer::ScaledRows, (&slot.scaled, 0..scaled)),
                (SearchBuffer::Projected, (&slot.projected, 0..projected)),
                (SearchBuffer::Queries, (&slot.projected, 0..projected)),
                (SearchBuffer::Lists, (&slot.lists, 0..lists)),
                (SearchBuffer::Candidates, (&slot.candidates, 0..candidates)),
                (SearchBuffer::Found, (&slot.found, 0..found)),
                (SearchBuffer::Hits, hits),
            ],
        };
        gpu.with_error_scopes("the recording of a search", || {
            encoder.copy_buffer_to_buffer(&upload, 0, &slot.parameters, 0, work.bytes);
            let all = [count(wanted.list_count()), 1];
            let mut pass = begin_pass(encoder);
            work.record_on_lists(&mut pass, &memory, &ends.prepare, all);
            work.record_projection(&mut pass, &memory);
            for dispatch in &work.dispatches {
                work.record(&mut pass, &memory, dispatch);
            }
            work.record_on_lists(&mut pass, &memory, &ends.rank, [count(queries), 1]);
        })
    }

    /// The most queries of `k` hits that one recording has room for.
    pub(crate) fn max_recorded(&self, gpu: &Gpu, dim: usize, k: usize) -> u64 {
        let limits = &gpu.caps().limits;
        let at_once = SearchLayout::groups_in_f32(usize::MAX).1;
        let group = self.layout.query_bytes(at_once.count(), 1, at_once).projected;
        let by_queries = limits.whole_bytes() / group * at_once.count() as u64;
        let by_candidates = limits.whole_bytes() / candidate_bytes(k);
        let by_rows = limits.whole_bytes() / (4 * dim as u64);
        // One workgroup for each query, and for what fills up the last group.
        let by_groups = u64::from(limits.groups) / at_once.count() as u64 * at_once.count() as u64;
        by_queries.min(by_candidates).min(by_rows).min(by_groups)
    }
}
