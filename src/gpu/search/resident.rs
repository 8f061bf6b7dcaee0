//! The rows of a batch on a device.

use std::ops::Range;

use wgpu::Buffer;

use super::super::device::Gpu;
use super::layout::{SearchLayout, Tile, tiles};
use crate::error::{Error, Result};
use crate::plan::count;
use crate::search::Batch;

/// Bytes that are uploaded at a time.
const PIECE_BYTES: u64 = 32 << 20;

/// Which of so many equal parts of a batch a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) number: usize,
    pub(crate) of: usize,
}

/// A part of a batch on a device, in as many shards as the adapter's limits ask for.
#[derive(Debug)]
pub(crate) struct ResidentRows {
    gpu: Gpu,
    share: Share,
    pub(super) shards: Vec<Shard>,
    pub(super) row_count: usize,
    bytes: u64,
}

/// As many tiles as one binding holds.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) tiles: u32,
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
    /// The device's memory is full, or the device is lost.
    pub(super) fn new(
        gpu: &Gpu,
        layout: &SearchLayout,
        batch: &Batch,
        share: Share,
    ) -> Result<Self> {
        let tile_bytes = layout.tile_bytes();
        let shard_tiles = (gpu.caps().limits.whole_bytes() / tile_bytes) as usize;
        let all = tiles(batch, layout.regions());
        let all = &all[share.range(all.len())];
        let row_count = all.iter().map(|tile| tile.rows).sum();
        let required = all.len() as u64 * (tile_bytes + 4);
        let shard = |tiles: &[Tile]| Shard::new(gpu, layout, batch, tiles);
        // A model whose codes fit a chunk's limits has tiles that fit, too.
        let shards = all.chunks(shard_tiles.max(1)).map(shard).collect::<Result<Vec<_>>>();
        let shards = shards.map_err(|error| error.with_bytes_required(required))?;
        Ok(Self { gpu: gpu.clone(), share, shards, row_count, bytes: required })
    }

    /// Whether this is that part of the rows, on this device.
    pub(crate) fn is_on(&self, gpu: &Gpu, share: Share) -> bool {
        self.gpu.is_same(gpu) && self.share == share
    }

    /// Bytes of device memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Shard {
    fn new(gpu: &Gpu, layout: &SearchLayout, batch: &Batch, tiles: &[Tile]) -> Result<Self> {
        let words: Vec<u32> = tiles.iter().map(|tile| tile.word()).collect();
        let regions = gpu.resident("vecodec.search.tiles", bytemuck::cast_slice(&words))?;
        let tile_bytes = layout.tile_bytes();
        let piece = (PIECE_BYTES / tile_bytes).max(1) * tile_bytes;
        let size = tiles.len() as u64 * tile_bytes;
        let planes = gpu.filled("vecodec.search.planes", size, piece, |range, bytes| {
            let tile = |byte: u64| (byte / tile_bytes) as usize;
            layout.write_tiles(batch, &tiles[tile(range.start)..tile(range.end)], bytes);
        })?;
        let first_row = u32::try_from(tiles[0].first)
            .map_err(|e| Error::Internal { detail: format!("a row beyond u32: {e}") })?;
        Ok(Self { tiles: count(tiles.len()), first_row, regions, planes })
    }
}
