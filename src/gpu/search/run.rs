//! A search on a device from queries of the host's, with what it finds read back.

use std::ops::Range;

use super::super::device::Gpu;
use super::super::kernels::{AtOnce, SearchBuffer, TILE};
use super::buffers::{SearchBytes, SearchLease, SearchPool, SearchSlot};
use super::layout::{QueryBytes, SearchLayout};
use super::program::begin_pass;
use super::programs::SearchPrograms;
use super::work::{Dispatch, List, Memory, Searched, Wanted, Work, candidate_bytes};
use crate::error::Result;
use crate::plan::ALIGNMENT;
use crate::search::ScaledQueries;

/// Bytes of all lists of a search.
const LIST_BYTES: u64 = 128 << 20;
/// Bytes of the queries of a search, as rows and projected.
const QUERY_BYTES: u64 = 128 << 20;
/// Rows times queries of a submission, about: some drivers end work that takes a second.
const ROW_QUERIES: u64 = 1 << 32;

impl SearchPrograms {
    /// How many queries of `dim` values and `k` hits to answer together.
    pub(crate) fn queries_at_once(&self, gpu: &Gpu, dim: usize, k: usize) -> usize {
        let max_bytes = gpu.caps().limits.whole_bytes();
        // Rows of queries share a buffer with the filters.
        let by_rows = (QUERY_BYTES.min(max_bytes / 2) / (4 * dim as u64)) as usize;
        let by_lists = (LIST_BYTES.min(max_bytes) / candidate_bytes(k)) as usize;
        by_lists.min(by_rows).min(self.layout.max_queries(QUERY_BYTES.min(max_bytes))).max(1)
    }

    /// Begins a search for the rows that the `k` best of each query are among.
    ///
    /// `slacks` are twice the bounds on the errors of the queries' keys. Nothing is found for a query without one.
    ///
    /// # Errors
    /// The device's memory is full, or the device is lost.
    pub(crate) fn begin<'a>(
        &'a self,
        gpu: &'a Gpu,
        pool: &SearchPool,
        searched: &'a [Searched<'a>],
        queries: &'a ScaledQueries,
        slacks: &[Option<f32>],
        k: usize,
    ) -> Result<BegunSearch<'a>> {
        let search = Search::new(self, gpu, searched, queries, k);
        let mut slot = SearchSlot::lease(gpu, pool, search.bytes().rounded())?;
        slot.fill(gpu, search.bytes().input, |bytes| search.write(slacks, bytes))?;
        search.submit(&mut slot)?;
        Ok(BegunSearch { search, slot })
    }
}

/// A search that a device works on.
pub(crate) struct BegunSearch<'a> {
    search: Search<'a>,
    slot: SearchLease,
}

impl BegunSearch<'_> {
    /// Waits for the rows that were found, by their numbers among all rows. None for a query whose candidates were more
    /// than its list has room for.
    ///
    /// # Errors
    /// The device is lost.
    pub(crate) fn found(mut self) -> Result<Vec<Option<Vec<u64>>>> {
        let Search { work, gpu, queries, .. } = &self.search;
        let (lists, found) = (work.wanted.list_bytes(), work.wanted.found_bytes());
        let (fewest, capacity) = (work.fewest_candidates(), work.wanted.found_capacity());
        self.slot.read(gpu, lists + found, |bytes| {
            let (lists, found) = bytes.split_at(lists as usize);
            let lists: Vec<List> = bytemuck::pod_collect_to_vec(lists);
            let found: Vec<u32> = bytemuck::pod_collect_to_vec(found);
            let of_query = |(list, rows): (&List, &[u32])| {
                let rows = rows.get(..list.count as usize)?;
                let number = |found: &u32| match work.wanted.at_once.is_by_quads() {
                    true => work.row_at(*found),
                    false => Some(u64::from(*found)),
                };
                // A driver may report work as done that it has not done.
                (rows.len() >= fewest).then(|| rows.iter().map(number).collect())?
            };
            let lists = lists.iter().zip(found.chunks_exact(capacity));
            lists.take(queries.count()).map(of_query).collect()
        })
    }
}

/// A search, and where the rows of queries and the lists lie in its input, behind parameters and filters.
struct Search<'a> {
    gpu: &'a Gpu,
    queries: &'a ScaledQueries,
    work: Work<'a>,
    row_range: Range<u64>,
    lists_at: u64,
    bytes: QueryBytes,
    /// Of the products with centroids, behind the packed queries.
    center_range: Range<u64>,
}

impl<'a> Search<'a> {
    fn new(
        programs: &'a SearchPrograms,
        gpu: &'a Gpu,
        searched: &'a [Searched<'a>],
        queries: &'a ScaledQueries,
        k: usize,
    ) -> Self {
        let shards = searched.iter().flat_map(|searched| &searched.rows.shards);
        let tiles: usize = shards.map(|shard| shard.tiles.len()).sum();
        let (groups, at_once) = match programs.layout.groups(queries.count()) {
            // Positions have 32 bits.
            (_, at_once) if at_once.is_by_quads() && tiles >= (1 << 32) / TILE => {
                SearchLayout::groups_in_f32(queries.count())
            }
            found => found,
        };
        let wanted = Wanted { queries: queries.count(), groups, at_once, k, breaks_ties: false };
        let work = Work::new(programs, gpu, searched, wanted);
        let row_range = work.bytes..work.bytes + 4 * queries.values().len() as u64;
        let lists_at = row_range.end.next_multiple_of(ALIGNMENT);
        let bytes = programs.layout.query_bytes(queries.count(), groups, at_once);
        let centers_at = bytes.packed.next_multiple_of(ALIGNMENT);
        let center_range = centers_at..centers_at + bytes.centers;
        Self { gpu, queries, work, row_range, lists_at, bytes, center_range }
    }

    fn bytes(&self) -> SearchBytes {
        let wanted = &self.work.wanted;
        SearchBytes {
            input: self.lists_at + wanted.list_bytes(),
            lists: wanted.list_bytes(),
            candidates: wanted.candidate_bytes(),
            found: wanted.found_bytes(),
            projected: self.bytes.projected,
            made: self.center_range.end.max(self.bytes.tables),
        }
    }

    /// Writes the input.
    fn write(&self, slacks: &[Option<f32>], bytes: &mut [u8]) {
        self.work.write(bytes);
        let list = |query: usize| {
            let (threshold, slack) = match slacks.get(query) {
                Some(Some(slack)) => (0, *slack),
                // No key passes the threshold of such a query, nor of one that fills up the last group.
                _ => (u32::MAX, 0.0),
            };
            List { threshold, count: 0, slack, last_row: u32::MAX, squared_norm: 0.0 }
        };
        let lists: Vec<List> = (0..self.work.wanted.list_count()).map(list).collect();
        let lists: &[u8] = bytemuck::cast_slice(&lists);
        bytes[self.lists_at as usize..][..lists.len()].copy_from_slice(lists);
        let Range { start, end } = self.row_range;
        let rows: &mut [f32] = bytemuck::cast_slice_mut(&mut bytes[start as usize..end as usize]);
        rows.iter_mut().zip(self.queries.values()).for_each(|(to, value)| *to = *value as f32);
    }

    /// Submits all rounds.
    fn submit(&self, slot: &mut SearchLease) -> Result<()> {
        let device = self.gpu.device();
        let wanted = &self.work.wanted;
        let (lists, found) = (wanted.list_bytes(), wanted.found_bytes());
        let made = |range: Range<u64>| (&slot.made, range);
        let queries = match wanted.at_once {
            AtOnce::Many => made(0..self.bytes.packed),
            _ => (&slot.projected, 0..self.bytes.projected),
        };
        let memory = Memory {
            parameters: &slot.input,
            others: vec![
                (SearchBuffer::ScaledRows, (&slot.input, self.row_range.clone())),
                (SearchBuffer::Projected, (&slot.projected, 0..self.bytes.projected)),
                (SearchBuffer::Queries, queries),
                (SearchBuffer::PackedQueries, made(0..self.bytes.packed)),
                (SearchBuffer::Centers, made(self.center_range.clone())),
                (SearchBuffer::BundleTables, made(0..self.bytes.tables)),
                (SearchBuffer::Lists, (&slot.lists, 0..lists)),
                (SearchBuffer::Candidates, (&slot.candidates, 0..wanted.candidate_bytes())),
                (SearchBuffer::Found, (&slot.found, 0..found)),
            ],
        };
        let submission = self.gpu.with_error_scopes("the work of a search", || {
            let input = self.lists_at + lists;
            let new_encoder = || device.create_command_encoder(&Default::default());
            let mut encoder = new_encoder();
            encoder.copy_buffer_to_buffer(&slot.upload, 0, &slot.input, 0, input);
            encoder.copy_buffer_to_buffer(&slot.upload, self.lists_at, &slot.lists, 0, lists);
            self.work.record_projection(&mut begin_pass(&mut encoder), &memory);
            let mut row_queries = 0;
            let is_full = |dispatch: &Dispatch<'_>| {
                row_queries += dispatch.rows() * wanted.list_count() as u64;
                let is_full = row_queries > ROW_QUERIES;
                row_queries *= u64::from(!is_full);
                is_full
            };
            for (number, dispatches) in self.work.dispatches.split_inclusive(is_full).enumerate() {
                if number > 0 {
                    let full = std::mem::replace(&mut encoder, new_encoder());
                    self.gpu.queue().submit([full.finish()]);
                }
                let mut pass = begin_pass(&mut encoder);
                let all = dispatches.iter();
                all.for_each(|dispatch| self.work.record(&mut pass, &memory, dispatch));
            }
            encoder.copy_buffer_to_buffer(&slot.lists, 0, &slot.readback, 0, lists);
            encoder.copy_buffer_to_buffer(&slot.found, 0, &slot.readback, lists, found);
            self.gpu.queue().submit([encoder.finish()])
        })?;
        slot.used_by(submission);
        Ok(())
    }
}
