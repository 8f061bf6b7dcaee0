//! Which tiles a round of a search scores.

use super::super::kernels::TILE;

/// Rounds share `log2` of the distance between the first tiles, so that each later round has at most
/// `2^MAX_SHIFT` times the tiles of all rounds before it.
const MAX_SHIFT: u32 = 6;

/// The parameters of a dispatch: `Round` in `shaders/search/contract.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Round {
    pub(crate) first_tile: u32,
    pub(crate) tile_stride: u32,
    pub(crate) tile_count: u32,
    pub(crate) workgroups: u32,
    pub(crate) phase: u32,
    pub(crate) skipped: u32,
    pub(crate) first_row: u32,
    pub(crate) shard_row: u32,
    pub(crate) is_filtered: u32,
    pub(crate) k: u32,
    pub(crate) capacity: u32,
    pub(crate) found_capacity: u32,
    pub(crate) is_last: u32,
    pub(crate) breaks_ties: u32,
    pub(crate) query_count: u32,
    /// A uniform buffer has multiples of 16 bytes.
    pub(crate) padding: u32,
}

/// The distance between the tiles of each round: of all tiles of an index, numbered from 0 on, a round scores the
/// multiples of its stride that were not scored before. The first round has at most as many rows as a list has
/// room for, and the last one completes all tiles. Each stride is a power of two.
pub(super) fn strides(tiles: usize, capacity: usize) -> Vec<u32> {
    let first_tiles = (capacity / TILE).max(1);
    let log = tiles.div_ceil(first_tiles).next_power_of_two().ilog2();
    let more = log.div_ceil(MAX_SHIFT);
    (0..=more).map(|round| 1 << (log * (more - round)).div_ceil(more.max(1))).collect()
}

impl Round {
    /// The same round over its tiles in a shard of `tiles` tiles, whose first one has number `first` among all tiles.
    /// `before` is the stride of the round before it, if there is one.
    pub(crate) fn of_shard(self, first: u32, tiles: u32, stride: u32, before: Option<u32>) -> Self {
        let number = first.div_ceil(stride);
        let first_tile = number * stride - first;
        Self {
            first_tile,
            tile_stride: stride,
            tile_count: tiles.saturating_sub(first_tile).div_ceil(stride),
            phase: before.map_or(0, |before| number % (before / stride)),
            skipped: before.map_or(0, |before| before / stride),
            ..self
        }
    }

    /// The tiles as the shader visits them.
    #[cfg(test)]
    fn tiles(&self) -> impl Iterator<Item = u32> {
        let is_skipped = |i: u32| self.skipped > 0 && (self.phase + i).is_multiple_of(self.skipped);
        let visited = (0..self.tile_count).filter(move |i| !is_skipped(*i));
        visited.map(|i| self.first_tile + i * self.tile_stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_visit_each_tile_once() {
        for shards in [vec![1], vec![9], vec![33], vec![1, 1, 7, 300, 64], vec![50_000, 3]] {
            let all: u32 = shards.iter().sum();
            let mut visits = vec![0; all as usize];
            let strides = strides(all as usize, 8 * TILE);
            assert_eq!(*strides.last().unwrap(), 1);
            assert!(strides.windows(2).all(|pair| pair[0] > pair[1]), "{strides:?}");
            for (number, stride) in strides.iter().enumerate() {
                let before = number.checked_sub(1).map(|number| strides[number]);
                let (mut first, mut visited) = (0, 0);
                for tiles in &shards {
                    for tile in Round::default().of_shard(first, *tiles, *stride, before).tiles() {
                        assert!(tile < *tiles);
                        visits[(first + tile) as usize] += 1;
                        visited += 1;
                    }
                    first += tiles;
                }
                assert!(number > 0 || visited <= 8, "{visited} tiles in the first round");
            }
            assert!(visits.iter().all(|visits| *visits == 1), "{shards:?}: {visits:?}");
        }
    }
}
