//! What threads take in turn: some tiles each.
//!
//! One query is multiplied with a row in less time than a row takes from memory, unless the machine knows early which
//! rows it needs. It guesses right where rows are read in order, but the rows of a region lie apart from each other.
//! So all rows of a *block* are read once in order, and then scored region by region, out of the second cache. One
//! region gains, too: long runs of rows are read faster than those of single tiles.
//!
//! Many queries take longer than memory does. Their tiles are as large as possible, because each packs all queries.
//! Where blocks would be too few for all threads, single tiles are the turns.

use std::ops::Range;

use super::super::threads;
use super::integers::FEW_QUERIES;
use super::tile::Tile;
use crate::model::Model;
use crate::search::{BLOCK_ROWS, View};

/// Rows of a tile: their values and keys fit a core's second cache.
const TILE_ROWS: usize = 256;
/// With many regions, blocks are joined until a region has about so many rows in them.
const REGION_ROWS: usize = 64;
/// A block is read in order if one of so many of its rows is scored.
const FEW_ROWS: usize = 4;
/// A block is read in order if it has no more bytes: they fit the second cache.
const CACHED_BYTES: usize = 1 << 19;
/// Turns for each thread, at least: with fewer, some threads would wait for the last ones.
const THREAD_TURNS: usize = 2;
/// Rows of a tile for which tables are made, at most and at least: more rows repay the tables.
const TABLE_TILE_ROWS: (usize, usize) = (8192, 512);
/// [`REGION_ROWS`] where tables are made.
const TABLE_REGION_ROWS: usize = 4096;
/// [`CACHED_BYTES`] where tables are made: a core's share of the third cache. 16 regions are searched in 44 ms instead
/// of 52 ms if their rows are read in order first (AMD EPYC, Zen 5).
const TABLE_CACHED_BYTES: usize = 1 << 22;

/// The tiles of all rows, and the turns of threads.
pub(super) struct Turns {
    pub(super) tiles: Vec<Tile>,
    pub(super) turns: Vec<Turn>,
}

/// Some tiles of a view.
pub(super) struct Turn {
    pub(super) tiles: Range<usize>,
    /// A view and those of its rows that are read in order first.
    rows: Option<(usize, Range<u32>)>,
}

impl Turns {
    /// Divides the rows of those regions that are asked. Tiles are large in regions where tables are made for each.
    pub(super) fn new(
        model: &Model,
        views: &[View<'_>],
        queries: usize,
        has_tables: impl Fn(usize) -> bool,
        is_asked: impl Fn(usize) -> bool,
    ) -> Self {
        let regions: Vec<usize> = (0..model.region_count()).filter(|r| is_asked(*r)).collect();
        let (region_rows, cached_bytes) = match regions.iter().any(|region| has_tables(*region)) {
            true => (TABLE_REGION_ROWS, TABLE_CACHED_BYTES),
            false => (REGION_ROWS, CACHED_BYTES),
        };
        let blocks_at_once = (region_rows * model.region_count()).div_ceil(BLOCK_ROWS);
        let turns: usize = views.iter().map(|view| view.listing().block_count()).sum();
        let has_blocks =
            queries <= FEW_QUERIES && turns >= THREAD_TURNS * threads() * blocks_at_once;
        let rows: usize = views.iter().map(|view| view.listing().row_count()).sum();
        let (max, min) = TABLE_TILE_ROWS;
        let table_rows = (rows / (2 * THREAD_TURNS * threads())).clamp(min, max);
        let tile_rows = |region| if has_tables(region) { table_rows } else { TILE_ROWS };
        let mut all = Self { tiles: Vec::new(), turns: Vec::new() };
        for (number, view) in views.iter().enumerate() {
            let listing = view.listing();
            let blocks = listing.block_count();
            if !has_blocks || blocks == 0 {
                for &region in &regions {
                    for tile in tiles(number, region, listing.region(region), tile_rows(region)) {
                        all.push([tile], None);
                    }
                }
                continue;
            }
            let row_bytes = view.batch.records.packed_rows().stride();
            for first in (0..blocks).step_by(blocks_at_once) {
                let blocks = first..(first + blocks_at_once).min(blocks);
                let tiles = regions.iter().flat_map(|&region| {
                    tiles(number, region, listing.part(region, blocks.clone()), tile_rows(region))
                });
                let end = (blocks.end * BLOCK_ROWS).min(view.batch.row_count());
                let rows = (blocks.start * BLOCK_ROWS) as u32..end as u32;
                let is_cached = rows.len() * row_bytes <= cached_bytes;
                all.push(tiles, is_cached.then_some((number, rows)));
            }
        }
        all
    }

    fn push(&mut self, tiles: impl IntoIterator<Item = Tile>, rows: Option<(usize, Range<u32>)>) {
        let first = self.tiles.len();
        self.tiles.extend(tiles);
        let tiles = first..self.tiles.len();
        let scored: usize = self.tiles[tiles.clone()].iter().map(Tile::row_count).sum();
        let rows = rows.filter(|(_, rows)| scored * FEW_ROWS >= rows.len());
        if !tiles.is_empty() {
            self.turns.push(Turn { tiles, rows });
        }
    }
}

impl Turn {
    /// Reads rows in order.
    pub(super) fn start(&self, views: &[View<'_>]) {
        if let Some((view, rows)) = &self.rows {
            views[*view].batch.records.packed_rows().touch(rows.clone());
        }
    }
}

/// Some rows of a region in tiles of about the same size.
fn tiles(
    view: usize,
    region: usize,
    rows: Range<usize>,
    max_rows: usize,
) -> impl Iterator<Item = Tile> {
    let count = rows.len().div_ceil(max_rows);
    let tile_rows = rows.len().div_ceil(count.max(1)).max(1);
    rows.clone().step_by(tile_rows).map(move |first| {
        let rows = first..(first + tile_rows).min(rows.end);
        Tile { view, region, rows }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_have_about_the_same_size() {
        for (count, expected) in [(0, 0), (1, 1), (256, 1), (257, 2), (1000, 4)] {
            let all: Vec<Tile> = tiles(0, 0, 7..7 + count, 256).collect();
            assert_eq!(all.len(), expected);
            let rows: Vec<usize> = all.iter().flat_map(|tile| tile.rows.clone()).collect();
            assert!(rows.into_iter().eq(7..7 + count));
            assert!(all.iter().all(|tile| tile.row_count() * expected + expected > count));
        }
    }
}
