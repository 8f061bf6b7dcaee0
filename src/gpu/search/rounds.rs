//! Which tiles a round of a search scores.

use super::super::kernels::TILE;

/// The least number of candidates that a list has room for.
const MIN_CAPACITY: usize = 8192;
/// Candidates per hit that a list has room for. A round adds up to 64 rows for each hit, on average.
const CAPACITY_PER_HIT: usize = 128;
/// The most hits for which lists are made.
pub(crate) const MAX_HITS: usize = 2048;

/// A query's candidates in a search of `k` hits: for how many there is room.
pub(super) fn capacity(k: usize) -> usize {
    (CAPACITY_PER_HIT * k).next_power_of_two().max(MIN_CAPACITY)
}

/// Rounds share `log2` of how many times the rows of a list an index has, so that each has at most about `2^MAX_SHIFT`
/// times the rows of what was scored before it.
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
    pub(crate) tile_rows: u32,
    pub(crate) is_sample: u32,
    pub(crate) first_position: u32,
    pub(crate) positions: u32,
    /// A uniform buffer has multiples of 16 bytes.
    pub(crate) padding: u32,
}

/// Rows of a tile that a sample scores.
const SAMPLE_ROWS: usize = 128;

/// Which tiles the rounds of a search score, of all tiles of an index, numbered from 0 on.
#[derive(Debug)]
pub(super) struct Strides {
    /// The distance between the tiles of a sample; none where one round scores all.
    ///
    /// A tile has rows of one region. With a few rows of many tiles, the sample has rows of all regions that are not
    /// small, so that its thresholds are not far from those of all rows.
    pub(super) sample: Option<u32>,
    /// The distance between the tiles of each round: it scores the multiples of its stride that were not scored before.
    /// The last round completes all tiles.
    pub(super) rounds: Vec<u32>,
}

impl Strides {
    /// All strides are powers of two. A list has room for all rows of the sample, and for the rows that a round is
    /// expected to add, at most.
    pub(super) fn new(tiles: usize, capacity: usize) -> Self {
        let first_tiles = (capacity / TILE).max(1);
        let log = tiles.div_ceil(first_tiles).next_power_of_two().ilog2();
        let count = log.div_ceil(MAX_SHIFT);
        if count == 0 {
            return Self { sample: None, rounds: vec![1] };
        }
        let sampled_tiles = (capacity / SAMPLE_ROWS).max(1);
        let sample = tiles.div_ceil(sampled_tiles).next_power_of_two() as u32;
        let stride = |round: u32| 1 << (log * (count - round)).div_ceil(count);
        Self { sample: Some(sample), rounds: (1..=count).map(stride).collect() }
    }
}

impl Round {
    /// The round over the tiles of a sample.
    pub(super) fn sample(self) -> Self {
        Self { tile_rows: SAMPLE_ROWS as u32, is_sample: 1, ..self }
    }

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
            // They are read only where all positions have 32 bits.
            first_position: first.wrapping_mul(TILE as u32),
            positions: tiles.wrapping_mul(TILE as u32),
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
            let Strides { sample, rounds: strides } = Strides::new(all as usize, 8 * TILE);
            assert_eq!(*strides.last().unwrap(), 1);
            assert!(strides.windows(2).all(|pair| pair[0] > pair[1]), "{strides:?}");
            assert_eq!(sample.is_some(), all > 8);
            if let Some(sample) = sample {
                let tiles = all.div_ceil(sample);
                assert!(tiles as usize * SAMPLE_ROWS <= 8 * TILE && 2 * tiles >= all.min(64));
                assert!(all.div_ceil(strides[0]) * TILE as u32 <= 8192 << (MAX_SHIFT + 1));
            }
            for (number, stride) in strides.iter().enumerate() {
                let before = number.checked_sub(1).map(|number| strides[number]);
                let mut first = 0;
                for tiles in &shards {
                    for tile in Round::default().of_shard(first, *tiles, *stride, before).tiles() {
                        assert!(tile < *tiles);
                        visits[(first + tile) as usize] += 1;
                    }
                    first += tiles;
                }
            }
            assert!(visits.iter().all(|visits| *visits == 1), "{shards:?}: {visits:?}");
        }
    }
}
