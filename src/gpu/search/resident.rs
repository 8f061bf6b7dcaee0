//! The rows of a batch on a device.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wgpu::Buffer;

use super::super::device::{Gpu, Home};
use super::layout::{SearchLayout, Tile, tiles};
use crate::error::{Error, Result};
use crate::search::Batch;

/// Bytes of a device's memory that many rows leave free.
const SPARE_BYTES: u64 = 1 << 30;
/// Bytes that are uploaded at a time.
const PIECE_BYTES: u64 = 32 << 20;

/// Which of so many equal parts of a batch a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) number: usize,
    pub(crate) of: usize,
}

/// A part of a batch that a device can read, in as many shards as the adapter's limits ask for.
///
/// What the device's memory has no room for stays in the host's, where kernels read it through the link. Every search
/// reads all rows once, wherever they are.
#[derive(Debug)]
pub(crate) struct ResidentRows {
    gpu: Gpu,
    share: Share,
    pub(super) shards: Vec<Shard>,
    pub(super) row_count: usize,
    bytes: u64,
    /// Of these, bytes in the host's memory.
    link_bytes: u64,
    _held: Held,
}

/// The bytes that rows may take of a device's memory.
#[derive(Debug)]
pub(crate) struct RowBudget {
    max: u64,
    used: Arc<AtomicU64>,
}

/// Bytes of a budget, until they are dropped.
#[derive(Debug)]
struct Held {
    used: Arc<AtomicU64>,
    bytes: u64,
}

impl RowBudget {
    pub(crate) fn new(max: u64) -> Self {
        Self { max, used: Arc::default() }
    }

    fn exceeded(&self) -> Error {
        let detail = format!("the codec may take {} bytes for rows of indexes", self.max);
        Error::OutOfMemory { required: 0, held: self.used.load(Ordering::Relaxed), detail }
    }
}

impl Held {
    fn none(budget: &RowBudget) -> Self {
        Self { used: budget.used.clone(), bytes: 0 }
    }

    /// Holds more bytes, if the budget has them.
    fn more(&mut self, budget: &RowBudget, bytes: u64) -> bool {
        let added = |used: u64| used.checked_add(bytes).filter(|used| *used <= budget.max);
        let has_room = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).is_ok();
        self.bytes += if has_room { bytes } else { 0 };
        has_room
    }

    fn less(&mut self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.less(self.bytes);
    }
}

/// As many tiles as one binding holds.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) tiles: Vec<Tile>,
    /// The number of its first row, where rows are in order.
    pub(super) first_row: u32,
    pub(super) regions: Buffer,
    pub(super) planes: Buffer,
}

impl Share {
    /// Which of `len` items the part has.
    fn range(self, len: usize) -> Range<usize> {
        let at = |number: usize| (len as u128 * number as u128 / self.of as u128) as usize;
        at(self.number)..at(self.number + 1)
    }
}

impl ResidentRows {
    /// Uploads a part of the rows of a batch.
    ///
    /// # Errors
    /// The device's memory and the host's are full, or the device is lost.
    pub(super) fn new(
        gpu: &Gpu,
        layout: &SearchLayout,
        batch: &Batch,
        share: Share,
        budget: &RowBudget,
    ) -> Result<Self> {
        let tile_bytes = layout.tile_bytes();
        let shard_tiles = (gpu.caps().limits.whole_bytes() / tile_bytes) as usize;
        let all = tiles(batch, layout.regions());
        let all = &all[share.range(all.len())];
        let row_count = all.iter().map(|tile| tile.rows).sum();
        let bytes_of = |tiles: &[Tile]| tiles.len() as u64 * (tile_bytes + 4);
        let required = bytes_of(all);
        let (mut held, mut shards, mut link_bytes) = (Held::none(budget), Vec::new(), 0);
        // Searches and chunks need memory, too. Where kernels cannot read the host's, all rows go to the device.
        let host_storage = gpu.caps().host_storage;
        let many = budget.used.load(Ordering::Relaxed).saturating_add(required) > SPARE_BYTES;
        let spare = match (many && host_storage).then(|| gpu.spare(SPARE_BYTES)).transpose() {
            Err(Error::OutOfMemory { .. }) => None,
            spare => Some(spare?),
        };
        let mut has_room = spare.is_some();
        // A model whose codes fit a chunk's limits has tiles that fit, too.
        for tiles in all.chunks(shard_tiles.max(1)) {
            let bytes = bytes_of(tiles);
            let new = |home| Shard::new(gpu, layout, batch, tiles, home);
            let mut on_device = None;
            if has_room && held.more(budget, bytes) {
                match new(Home::Device) {
                    Err(Error::OutOfMemory { .. }) if host_storage => held.less(bytes),
                    made => on_device = Some(made),
                }
            }
            has_room &= on_device.is_some();
            let shard = on_device.unwrap_or_else(|| {
                link_bytes += bytes;
                match host_storage {
                    true => new(Home::Host),
                    false => Err(budget.exceeded()),
                }
            });
            shards.push(shard.map_err(|error| error.with_bytes_required(required))?);
        }
        let gpu = gpu.clone();
        Ok(Self { gpu, share, shards, row_count, bytes: required, link_bytes, _held: held })
    }

    /// Whether this is that part of the rows, on this device.
    pub(crate) fn is_on(&self, gpu: &Gpu, share: Share) -> bool {
        self.gpu.is_same(gpu) && self.share == share
    }

    /// Bytes of memory, the device's and the host's.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes in the host's memory.
    pub(crate) fn link_bytes(&self) -> u64 {
        self.link_bytes
    }
}

impl Shard {
    fn new(
        gpu: &Gpu,
        layout: &SearchLayout,
        batch: &Batch,
        tiles: &[Tile],
        home: Home,
    ) -> Result<Self> {
        let words: Vec<u32> = tiles.iter().map(|tile| tile.word()).collect();
        let regions = gpu.resident("vecodec.search.tiles", bytemuck::cast_slice(&words))?;
        let tile_bytes = layout.tile_bytes();
        let piece = (PIECE_BYTES / tile_bytes).max(1) * tile_bytes;
        let size = tiles.len() as u64 * tile_bytes;
        let planes = gpu.filled("vecodec.search.planes", home, size, piece, |range, bytes| {
            let tile = |byte: u64| (byte / tile_bytes) as usize;
            layout.write_tiles(batch, &tiles[tile(range.start)..tile(range.end)], bytes);
        })?;
        let first_row = u32::try_from(tiles[0].first)
            .map_err(|e| Error::Internal { detail: format!("a row beyond u32: {e}") })?;
        Ok(Self { tiles: tiles.to_vec(), first_row, regions, planes })
    }
}
