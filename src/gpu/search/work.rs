//! What a search does on a device: its dispatches, and how large its memory is.

use std::ops::Range;

use wgpu::{BindingResource, Buffer, ComputePass};

use super::super::chunk::binding_of;
use super::super::device::Gpu;
use super::super::kernels::{AtOnce, NEAR_WORKGROUPS, SearchBuffer, TILE};
use super::program::SearchProgram;
use super::programs::SearchPrograms;
use super::resident::{ResidentRows, Shard};
use super::rounds::{MAX_HITS, Round, Strides, capacity};
use crate::plan::{ALIGNMENT, count};
use crate::search::{Best, View};

/// Bytes of a candidate.
const CANDIDATE_BYTES: u64 = 8;
/// Workgroups of a dispatch. They are enough for a large GPU, and each copies the tables once.
const WORKGROUPS: u32 = 4096;
/// The same where each copies larger tables.
const QUAD_WORKGROUPS: u32 = 1024;

/// `List` in `shaders/search/contract.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct List {
    pub(crate) threshold: u32,
    pub(crate) count: u32,
    pub(crate) slack: f32,
    pub(crate) last_row: u32,
    pub(crate) squared_norm: f32,
}

/// Bytes of the candidates of a query in a search of `k` hits.
pub(super) fn candidate_bytes(k: usize) -> u64 {
    CANDIDATE_BYTES * capacity(k) as u64
}

/// Whether a device searches so many hits of so many rows.
pub(crate) fn is_possible(gpu: &Gpu, rows: u64, k: usize) -> bool {
    // Rows of a list are numbered in 32 bits.
    k <= MAX_HITS
        && candidate_bytes(k) <= gpu.caps().limits.whole_bytes()
        && u32::try_from(rows).is_ok()
}

/// The rows that are searched, and which of them are on the device.
pub(crate) struct Searched<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) rows: &'a ResidentRows,
}

/// How many hits of how many queries are searched, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) queries: usize,
    pub(super) groups: usize,
    pub(super) at_once: AtOnce,
    pub(super) k: usize,
    /// Whether exactly `k` candidates are left in the lists, and none are written to `Found`.
    pub(super) breaks_ties: bool,
}

impl Wanted {
    /// One list for each query, and for each that fills up the last group.
    pub(super) fn list_count(&self) -> usize {
        self.groups * self.at_once.count()
    }

    pub(super) fn list_bytes(&self) -> u64 {
        (self.list_count() * size_of::<List>()) as u64
    }

    /// What fills up the last group has a list that nothing is added to.
    pub(super) fn candidate_bytes(&self) -> u64 {
        self.queries as u64 * candidate_bytes(self.k)
    }

    /// Rows that are read back of each query, at most.
    pub(super) fn found_capacity(&self) -> usize {
        Best::capacity(self.k)
    }

    pub(super) fn found_bytes(&self) -> u64 {
        4 * (self.queries * self.found_capacity()) as u64
    }
}

/// The dispatches of a search, and where its parameters and filters lie in a buffer.
pub(super) struct Work<'a> {
    programs: &'a SearchPrograms,
    gpu: &'a Gpu,
    searched: &'a [Searched<'a>],
    pub(super) wanted: Wanted,
    /// For each round the scans of all shards, then the selection.
    pub(super) dispatches: Vec<Dispatch<'a>>,
    /// Of the filter of each part.
    filter_ranges: Vec<Range<u64>>,
    /// Bytes of parameters and filters.
    pub(super) bytes: u64,
}

/// One dispatch.
pub(super) struct Dispatch<'a> {
    round: Round,
    kind: DispatchKind<'a>,
    /// Where the parameters begin.
    at: u64,
}

impl Dispatch<'_> {
    /// Rows that it scores, about.
    pub(super) fn rows(&self) -> u64 {
        let Round { tile_count, tile_rows, .. } = self.round;
        match self.kind {
            DispatchKind::Scan(..) => u64::from(tile_count) * u64::from(tile_rows),
            DispatchKind::NearScores(..) | DispatchKind::Select => 0,
        }
    }
}

#[derive(Clone, Copy)]
enum DispatchKind<'a> {
    /// Over the tiles of a shard, which belongs to the part of this number.
    Scan(AtOnce, &'a Shard, usize),
    /// Over the candidates of such a shard that were found in integers.
    NearScores(&'a Shard, usize),
    /// After a round.
    Select,
}

/// Some bytes of a buffer.
pub(crate) type Part<'a> = (&'a Buffer, Range<u64>);

/// The memory of a search, beside that of the rows.
pub(super) struct Memory<'a> {
    /// Parameters and filters, from the first byte on.
    pub(super) parameters: &'a Buffer,
    pub(super) others: Vec<(SearchBuffer, Part<'a>)>,
}

impl<'a> Memory<'a> {
    pub(super) fn binding(&self, wanted: SearchBuffer) -> BindingResource<'a> {
        let found = self.others.iter().find(|(buffer, _)| *buffer == wanted);
        binding(&found.expect("a search has the buffers of its kernels").1)
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(
        programs: &'a SearchPrograms,
        gpu: &'a Gpu,
        searched: &'a [Searched<'a>],
        wanted: Wanted,
    ) -> Self {
        let mut work = Self {
            programs,
            gpu,
            searched,
            wanted,
            dispatches: Vec::new(),
            filter_ranges: Vec::new(),
            bytes: 0,
        };
        work.dispatches = work.all_rounds();
        let mut end = work.dispatches.len() as u64 * ALIGNMENT;
        for searched in searched {
            let allowed = searched.view.allowed.as_ref();
            let bytes = allowed.map_or(0, |allowed| size_of_val(allowed.words()) as u64);
            work.filter_ranges.push(end..end + bytes);
            end = (end + bytes).next_multiple_of(ALIGNMENT);
        }
        work.bytes = end;
        work
    }

    fn all_rounds(&self) -> Vec<Dispatch<'a>> {
        let shards = |(part, searched): (usize, &'a Searched<'a>)| {
            searched.rows.shards.iter().map(move |shard| (shard, part))
        };
        let shards: Vec<(&Shard, usize)> =
            self.searched.iter().enumerate().flat_map(shards).collect();
        let tiles: usize = shards.iter().map(|(shard, _)| shard.tiles.len()).sum();
        let Wanted { queries, at_once, k, breaks_ties, .. } = self.wanted;
        let common = Round {
            k: count(k),
            capacity: count(capacity(k)),
            found_capacity: count(self.wanted.found_capacity()),
            breaks_ties: breaks_ties.into(),
            query_count: count(queries),
            tile_rows: TILE as u32,
            ..Round::default()
        };
        let Strides { sample, rounds } = Strides::new(tiles, capacity(k));
        let mut dispatches = Vec::new();
        let mut push = |round, kind| {
            let at = dispatches.len() as u64 * ALIGNMENT;
            dispatches.push(Dispatch { round, kind, at });
        };
        let before = [None].into_iter().chain(rounds.iter().copied().map(Some));
        let scored = rounds.iter().zip(before).map(|(stride, before)| (common, *stride, before));
        let sample = sample.map(|stride| (common.sample(), stride, None));
        let last = rounds.len() + usize::from(sample.is_some()) - 1;
        for (number, (common, stride, before)) in sample.into_iter().chain(scored).enumerate() {
            let at_once = match at_once.is_by_quads() && common.is_sample != 0 {
                // A sample is small. Scored in f32, its candidates need not be scored again.
                true => AtOnce::One,
                false => at_once,
            };
            let mut first = 0;
            for &(shard, part) in &shards {
                let tile_count = count(shard.tiles.len());
                let tiles = common.of_shard(first, tile_count, stride, before);
                first += tile_count;
                if tiles.tile_count > 0 {
                    let view = self.searched[part].view;
                    let round = Round {
                        workgroups: tiles.tile_count.min(self.workgroups()),
                        // Those who search have bounded it.
                        first_row: view.first_row as u32,
                        shard_row: shard.first_row,
                        is_filtered: view.allowed.is_some().into(),
                        ..tiles
                    };
                    push(round, DispatchKind::Scan(at_once, shard, part));
                    if at_once.is_by_quads() {
                        push(round, DispatchKind::NearScores(shard, part));
                    }
                }
            }
            let is_last = number == last && !breaks_ties;
            push(Round { is_last: is_last.into(), ..common }, DispatchKind::Select);
        }
        dispatches
    }

    /// The most workgroups over the tiles of a dispatch.
    fn workgroups(&self) -> u32 {
        let caps = self.gpu.caps();
        // A software adapter has no tables to copy, and counts a thread's loops.
        let wanted = if self.wanted.at_once.is_by_quads() { QUAD_WORKGROUPS } else { WORKGROUPS };
        if caps.software { caps.limits.groups } else { wanted.min(caps.limits.groups) }
    }

    /// The fewest candidates that a query ends with: all allowed rows, or `k` of them. Of a part of a batch, all rows
    /// of the other parts may be allowed ones.
    pub(super) fn fewest_candidates(&self) -> usize {
        let allowed = |searched: &Searched<'_>| match &searched.view.allowed {
            Some(allowed) => {
                let elsewhere = searched.view.batch.row_count() - searched.rows.row_count;
                allowed.count().saturating_sub(elsewhere)
            }
            None => searched.rows.row_count,
        };
        self.searched.iter().map(allowed).sum::<usize>().min(self.wanted.k)
    }

    /// The number, among all rows, of the row at a position.
    pub(super) fn row_at(&self, position: u32) -> Option<u64> {
        let mut tile = position as usize / TILE;
        for searched in self.searched {
            for shard in &searched.rows.shards {
                if let Some(found) = shard.tiles.get(tile) {
                    let row =
                        searched.view.batch.listing.row(found.first + position as usize % TILE);
                    return Some(searched.view.first_row + u64::from(row));
                }
                tile -= shard.tiles.len();
            }
        }
        None
    }

    /// Writes parameters and filters.
    pub(super) fn write(&self, bytes: &mut [u8]) {
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
    }

    /// Records one of the dispatches.
    pub(super) fn record(
        &self,
        pass: &mut ComputePass<'_>,
        memory: &Memory<'_>,
        dispatch: &Dispatch<'_>,
    ) {
        let queries = self.wanted.queries;
        let (program, groups, shard) = match dispatch.kind {
            DispatchKind::Scan(at_once, shard, part) => {
                let groups = [dispatch.round.workgroups, count(queries.div_ceil(at_once.count()))];
                (self.programs.scan(at_once), groups, Some((shard, part)))
            }
            DispatchKind::NearScores(shard, part) => {
                let groups = [NEAR_WORKGROUPS as u32, count(queries)];
                (self.programs.near_scores(), groups, Some((shard, part)))
            }
            DispatchKind::Select => (&self.programs.select, [count(queries), 1], None),
        };
        program.record(self.gpu, pass, groups, |buffer| match (buffer, shard) {
            (SearchBuffer::Round, _) => round_binding(memory, dispatch.at),
            (SearchBuffer::Tiles, Some((shard, _))) => shard.regions.as_entire_binding(),
            (SearchBuffer::Planes, Some((shard, _))) => shard.planes.as_entire_binding(),
            (SearchBuffer::Allowed, Some((shard, part))) => {
                match self.filter_ranges[part].clone() {
                    // Not read.
                    range if range.is_empty() => shard.regions.as_entire_binding(),
                    range => binding(&(memory.parameters, range)),
                }
            }
            (buffer, _) => memory.binding(buffer),
        });
    }

    /// Records what queries become before the first round.
    pub(super) fn record_projection(&self, pass: &mut ComputePass<'_>, memory: &Memory<'_>) {
        let SearchPrograms { layout, projection, bundle_tables, quads, .. } = self.programs;
        let Wanted { queries, groups, at_once, .. } = self.wanted;
        let wanted = (queries, groups, at_once);
        projection.record(self.gpu, layout, pass, wanted, |buffer| memory.binding(buffer));
        let both = layout.bundles.as_ref().zip(bundle_tables.as_ref());
        if let Some((bundles, program)) = both.filter(|_| at_once == AtOnce::OneByBundles) {
            let groups = [bundles.table_count(), count(groups)];
            program.record(self.gpu, pass, groups, |buffer| memory.binding(buffer));
        }
        let all = quads.iter().flat_map(|quads| &quads.queries);
        if let Some((_, program)) = all.into_iter().find(|(found, _)| *found == at_once) {
            let groups = [count(self.wanted.list_count()), count(layout.regions())];
            program.record(self.gpu, pass, groups, |buffer| memory.binding(buffer));
        }
    }

    /// Records a program that works on lists, with the parameters that all dispatches share.
    pub(super) fn record_on_lists(
        &self,
        pass: &mut ComputePass<'_>,
        memory: &Memory<'_>,
        program: &SearchProgram,
        groups: [u32; 2],
    ) {
        program.record(self.gpu, pass, groups, |buffer| match buffer {
            SearchBuffer::Round => round_binding(memory, 0),
            buffer => memory.binding(buffer),
        });
    }
}

fn round_binding<'a>(memory: &Memory<'a>, at: u64) -> BindingResource<'a> {
    binding(&(memory.parameters, at..at + size_of::<Round>() as u64))
}

fn binding<'a>((buffer, range): &Part<'a>) -> BindingResource<'a> {
    binding_of(buffer, range.start, range.end - range.start)
}
