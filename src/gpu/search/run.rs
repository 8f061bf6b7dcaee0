//! A search on a device.

use std::ops::Range;

use wgpu::{CommandEncoder, ComputePassDescriptor};

use super::super::chunk::binding_of;
use super::super::device::Gpu;
use super::super::kernels::{AtOnce, SearchBuffer, TILE};
use super::buffers::{SearchBytes, SearchLease, SearchPool, SearchSlot};
use super::programs::{SearchProgram, SearchPrograms};
use super::resident::{ResidentRows, Shard};
use super::rounds::{Round, strides};
use crate::error::Result;
use crate::plan::{ALIGNMENT, count};
use crate::search::{Best, Queries, View};

/// The least number of candidates that a list has room for.
const MIN_CAPACITY: usize = 8192;
/// Candidates per hit that a list has room for. A round adds up to 64 rows for each hit, on average.
const CAPACITY_PER_HIT: usize = 128;
/// The most hits for which lists are made.
const MAX_HITS: usize = 2048;
/// Bytes of all lists of a search.
const LIST_BYTES: u64 = 128 << 20;
/// Bytes of a candidate.
const CANDIDATE_BYTES: u64 = 8;
/// Bytes of the queries of a search.
const QUERY_BYTES: u64 = 32 << 20;
/// Rows times queries of a submission, about: some drivers end work that takes a second.
const ROW_QUERIES: u64 = 1 << 32;
/// Workgroups of a dispatch. They are enough for a large GPU, and each copies the tables once.
const WORKGROUPS: u32 = 4096;

/// `List` in `shaders/search/contract.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct List {
    pub(crate) threshold: u32,
    pub(crate) count: u32,
    pub(crate) slack: f32,
}

/// A query's candidates in a search of `k` hits: for how many there is room.
fn capacity(k: usize) -> usize {
    (CAPACITY_PER_HIT * k).next_power_of_two().max(MIN_CAPACITY)
}

/// Bytes of a list of `k` hits.
fn list_bytes(k: usize) -> u64 {
    CANDIDATE_BYTES * capacity(k) as u64
}

/// Whether a device searches so many hits of so many rows.
pub(crate) fn is_possible(gpu: &Gpu, rows: u64, k: usize) -> bool {
    // Rows of a list are numbered in 32 bits.
    k <= MAX_HITS && list_bytes(k) <= gpu.caps().limits.whole_bytes() && u32::try_from(rows).is_ok()
}

/// The rows that are searched, and where they are.
pub(crate) struct Searched<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) rows: &'a ResidentRows,
}

impl SearchPrograms {
    /// How many queries of `k` hits to answer together.
    pub(crate) fn queries_at_once(&self, gpu: &Gpu, k: usize) -> usize {
        let max_bytes = gpu.caps().limits.whole_bytes();
        let by_lists = (LIST_BYTES.min(max_bytes) / list_bytes(k)) as usize;
        // Queries share a buffer with the filters.
        let bytes = QUERY_BYTES.min(max_bytes / 2);
        let at_once = self.layout.groups(usize::MAX).1;
        let [group_bytes, _] = self.layout.group_bytes(at_once);
        let by_queries = at_once.count() * (bytes / group_bytes) as usize;
        by_lists.min(by_queries).max(1)
    }

    /// The rows that the `k` best of each query are among, by their numbers among all rows. None for a query
    /// whose candidates were more than its list has room for.
    ///
    /// `slacks` are twice the bounds on the errors of the queries' keys.
    ///
    /// # Errors
    /// The device's memory is full, or the device is lost.
    pub(crate) fn search(
        &self,
        gpu: &Gpu,
        pool: &SearchPool,
        searched: &[Searched<'_>],
        queries: &Queries,
        slacks: &[f32],
        k: usize,
    ) -> Result<Vec<Option<Vec<u64>>>> {
        let search = Search::new(self, gpu, searched, queries, k);
        let mut slot = SearchSlot::lease(gpu, pool, search.bytes().rounded())?;
        slot.fill(gpu, search.bytes().input, |bytes| search.write(slacks, bytes))?;
        search.submit(&mut slot)?;
        let (lists, found) = (search.list_bytes(), search.found_bytes());
        let fewest = search.fewest_candidates();
        let capacity = search.found_capacity;
        slot.read(gpu, lists + found, |bytes| {
            let (lists, found) = bytes.split_at(lists as usize);
            let lists: Vec<List> = bytemuck::pod_collect_to_vec(lists);
            let found: Vec<u32> = bytemuck::pod_collect_to_vec(found);
            let of_query = |(list, rows): (&List, &[u32])| {
                let rows = rows.get(..list.count as usize)?;
                // A driver may report work as done that it has not done.
                (rows.len() >= fewest).then(|| rows.iter().map(|row| u64::from(*row)).collect())
            };
            let lists = lists.iter().zip(found.chunks_exact(capacity));
            lists.take(queries.count()).map(of_query).collect()
        })
    }
}

/// A search, and where its parts lie in the input.
struct Search<'a> {
    programs: &'a SearchPrograms,
    gpu: &'a Gpu,
    searched: &'a [Searched<'a>],
    queries: &'a Queries,
    groups: usize,
    at_once: AtOnce,
    k: usize,
    capacity: usize,
    found_capacity: usize,
    /// For each round the scans of all shards, then the selection.
    dispatches: Vec<Dispatch<'a>>,
    /// Of the queries, in bytes.
    query_range: Range<u64>,
    /// Of the products with centroids, where these lie apart.
    center_range: Range<u64>,
    /// Of the filter of each part.
    filter_ranges: Vec<Range<u64>>,
    lists_at: u64,
}

/// One dispatch over the tiles of a shard, or the selection after a round.
struct Dispatch<'a> {
    round: Round,
    /// The shard, and the number of the part that it belongs to.
    shard: Option<(&'a Shard, usize)>,
    /// Where the parameters begin in the input.
    at: u64,
}

impl<'a> Search<'a> {
    fn new(
        programs: &'a SearchPrograms,
        gpu: &'a Gpu,
        searched: &'a [Searched<'a>],
        queries: &'a Queries,
        k: usize,
    ) -> Self {
        let (groups, at_once) = programs.layout.groups(queries.count());
        let mut search = Self {
            programs,
            gpu,
            searched,
            queries,
            groups,
            at_once,
            k,
            capacity: capacity(k),
            found_capacity: Best::capacity(k),
            dispatches: Vec::new(),
            query_range: 0..0,
            center_range: 0..0,
            filter_ranges: Vec::new(),
            lists_at: 0,
        };
        search.dispatches = search.all_rounds();
        let mut end = search.dispatches.len() as u64 * ALIGNMENT;
        let mut next = |bytes: u64| {
            let start = end;
            end = (end + bytes).next_multiple_of(ALIGNMENT);
            start..start + bytes
        };
        let [values, centers] = programs.layout.group_bytes(at_once);
        search.query_range = next(groups as u64 * values);
        search.center_range = next(groups as u64 * centers);
        let words = |searched: &Searched<'_>| {
            searched.view.allowed.as_ref().map_or(0, |allowed| size_of_val(allowed.words()) as u64)
        };
        search.filter_ranges = searched.iter().map(|searched| next(words(searched))).collect();
        search.lists_at = next(search.list_bytes()).start;
        search
    }

    fn all_rounds(&self) -> Vec<Dispatch<'a>> {
        let shards = |(part, searched): (usize, &'a Searched<'a>)| {
            searched.rows.shards.iter().map(move |shard| (shard, part))
        };
        let shards: Vec<(&Shard, usize)> =
            self.searched.iter().enumerate().flat_map(shards).collect();
        let tiles: usize = shards.iter().map(|(shard, _)| shard.tiles as usize).sum();
        let strides = strides(tiles, self.capacity);
        let last = strides.len() - 1;
        let common = Round {
            k: count(self.k),
            capacity: count(self.capacity),
            found_capacity: count(self.found_capacity),
            ..Round::default()
        };
        let mut dispatches = Vec::new();
        let mut push = |round, shard| {
            let at = dispatches.len() as u64 * ALIGNMENT;
            dispatches.push(Dispatch { round, shard, at });
        };
        let before = [None].into_iter().chain(strides.iter().copied().map(Some));
        for (number, (&stride, before)) in strides.iter().zip(before).enumerate() {
            let mut first = 0;
            for &(shard, part) in &shards {
                let tiles = common.of_shard(first, shard.tiles, stride, before);
                first += shard.tiles;
                if tiles.tile_count > 0 {
                    let view = self.searched[part].view;
                    let round = Round {
                        workgroups: tiles.tile_count.min(self.workgroups()),
                        // `is_possible` has bounded it.
                        first_row: view.first_row as u32,
                        shard_row: shard.first_row,
                        is_filtered: view.allowed.is_some().into(),
                        ..tiles
                    };
                    push(round, Some((shard, part)));
                }
            }
            push(Round { is_last: (number == last).into(), ..common }, None);
        }
        dispatches
    }

    /// The most workgroups over the tiles of a dispatch.
    fn workgroups(&self) -> u32 {
        let caps = self.gpu.caps();
        // A software adapter has no tables to copy, and counts a thread's loops.
        if caps.software { caps.limits.groups } else { WORKGROUPS.min(caps.limits.groups) }
    }

    fn list_count(&self) -> usize {
        self.groups * self.at_once.count()
    }

    fn list_bytes(&self) -> u64 {
        (self.list_count() * size_of::<List>()) as u64
    }

    fn found_bytes(&self) -> u64 {
        4 * (self.queries.count() * self.found_capacity) as u64
    }

    fn bytes(&self) -> SearchBytes {
        SearchBytes {
            input: self.lists_at + self.list_bytes(),
            lists: self.list_bytes(),
            // Queries that fill up the last group have a list that nothing is added to.
            candidates: CANDIDATE_BYTES * (self.queries.count() * self.capacity) as u64,
            found: self.found_bytes(),
        }
    }

    /// The fewest candidates that a query ends with: all allowed rows, or `k` of them.
    fn fewest_candidates(&self) -> usize {
        let allowed = |searched: &Searched<'_>| match &searched.view.allowed {
            Some(allowed) => allowed.count(),
            None => searched.view.batch.row_count(),
        };
        self.searched.iter().map(allowed).sum::<usize>().min(self.k)
    }

    /// Writes the input.
    fn write(&self, slacks: &[f32], bytes: &mut [u8]) {
        let mut put = |at: u64, part: &[u8]| {
            bytes[at as usize..][..part.len()].copy_from_slice(part);
        };
        for dispatch in &self.dispatches {
            put(dispatch.at, bytemuck::bytes_of(&dispatch.round));
        }
        for (searched, range) in self.searched.iter().zip(&self.filter_ranges) {
            if let Some(allowed) = &searched.view.allowed {
                put(range.start, bytemuck::cast_slice(allowed.words()));
            }
        }
        let list = |query: usize| match slacks.get(query) {
            Some(slack) => List { threshold: 0, count: 0, slack: *slack },
            // No key passes the threshold of a query that fills up the last group.
            None => List { threshold: u32::MAX, count: 0, slack: 0.0 },
        };
        let lists: Vec<List> = (0..self.list_count()).map(list).collect();
        put(self.lists_at, bytemuck::cast_slice(&lists));
        let Range { start, end } = self.query_range;
        let (before, centers) = bytes.split_at_mut(self.center_range.start as usize);
        let values = &mut before[start as usize..end as usize];
        match self.at_once {
            AtOnce::Many => {
                let bytes = self.center_range.end - self.center_range.start;
                let centers = &mut centers[..bytes as usize];
                self.programs.layout.write_matrices(self.queries, values, centers);
            }
            at_once => self.programs.layout.write_queries(self.queries, at_once, values),
        }
    }

    /// Submits all rounds.
    fn submit(&self, slot: &mut SearchLease) -> Result<()> {
        let device = self.gpu.device();
        let submission = self.gpu.with_error_scopes("the work of a search", || {
            let encoder = || device.create_command_encoder(&Default::default());
            let mut encoding = encoder();
            let input = self.lists_at + self.list_bytes();
            encoding.copy_buffer_to_buffer(&slot.upload, 0, &slot.input, 0, input);
            let lists = self.list_bytes();
            encoding.copy_buffer_to_buffer(&slot.upload, self.lists_at, &slot.lists, 0, lists);
            let mut row_queries = 0;
            for dispatch in &self.dispatches {
                self.record(&mut encoding, slot, dispatch);
                let rows = u64::from(dispatch.round.tile_count) * TILE as u64;
                row_queries += rows * self.list_count() as u64;
                if row_queries > ROW_QUERIES {
                    row_queries = 0;
                    let full = std::mem::replace(&mut encoding, encoder());
                    self.gpu.queue().submit([full.finish()]);
                }
            }
            encoding.copy_buffer_to_buffer(&slot.lists, 0, &slot.readback, 0, lists);
            let found = self.found_bytes();
            encoding.copy_buffer_to_buffer(&slot.found, 0, &slot.readback, lists, found);
            self.gpu.queue().submit([encoding.finish()])
        })?;
        slot.used_by(submission);
        Ok(())
    }

    fn record(&self, encoder: &mut CommandEncoder, slot: &SearchSlot, dispatch: &Dispatch<'_>) {
        let (program, groups): (&SearchProgram, [u32; 2]) = match dispatch.shard {
            Some(_) => {
                let groups = [dispatch.round.workgroups, count(self.groups)];
                (self.programs.scan(self.at_once), groups)
            }
            None => (&self.programs.select, [count(self.queries.count()), 1]),
        };
        let bind_group = program.bind(self.gpu, |buffer| match (buffer, dispatch.shard) {
            (SearchBuffer::Round, _) => {
                binding_of(&slot.input, dispatch.at, size_of::<Round>() as u64)
            }
            (SearchBuffer::Lists, _) => binding_of(&slot.lists, 0, self.list_bytes()),
            (SearchBuffer::Candidates, _) => {
                binding_of(&slot.candidates, 0, self.bytes().candidates)
            }
            (SearchBuffer::Found, _) => binding_of(&slot.found, 0, self.found_bytes()),
            (SearchBuffer::Tiles, Some((shard, _))) => shard.regions.as_entire_binding(),
            (SearchBuffer::Planes, Some((shard, _))) => shard.planes.as_entire_binding(),
            (SearchBuffer::Allowed, Some((shard, number))) => {
                let range = &self.filter_ranges[number];
                match range.end - range.start {
                    // Not read.
                    0 => shard.regions.as_entire_binding(),
                    bytes => binding_of(&slot.input, range.start, bytes),
                }
            }
            (SearchBuffer::Centers, _) => {
                let Range { start, end } = self.center_range;
                binding_of(&slot.input, start, end - start)
            }
            (SearchBuffer::Queries, _) | (_, None) => {
                let Range { start, end } = self.query_range;
                binding_of(&slot.input, start, end - start)
            }
        });
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
            label: Some(&program.kernel.name),
            timestamp_writes: None,
        });
        pass.set_pipeline(&program.pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(groups[0], groups[1], 1);
    }
}
