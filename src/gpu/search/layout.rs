//! How a model's rows and queries lie on a device, for one metric: plain values.

use rayon::prelude::*;

use super::super::device::Caps;
use super::super::kernels::{
    AtOnce, Kernel, PairCodes, PairShape, Resident, ScanShape, TILE, scan, select,
};
use crate::bit_codes::BitPlan;
use crate::model::Model;
use crate::plan::{count, padded};
use crate::search::{Batch, Metric, Queries};

/// The sizes of tiles and queries, and the order of a query's values.
pub(crate) struct SearchLayout {
    metric: Metric,
    shape: ScanShape,
    /// None for 8-bit codes.
    pairs: Option<PairCodes>,
}

/// Some rows of one region: positions in a batch's listing, from `first` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    pub(super) region: usize,
    pub(super) first: usize,
    pub(super) rows: usize,
}

impl Tile {
    /// As `tiles` in `shaders/search/scan.wgsl`.
    pub(super) fn word(self) -> u32 {
        (self.region as u32) << 24 | self.rows as u32
    }
}

/// All rows of a batch in tiles.
pub(super) fn tiles(batch: &Batch, regions: usize) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for region in 0..regions {
        let rows = batch.listing.region(region);
        tiles.extend(rows.clone().step_by(TILE).map(|first| Tile {
            region,
            first,
            rows: (rows.end - first).min(TILE),
        }));
    }
    tiles
}

impl SearchLayout {
    pub(crate) fn new(model: &Model, metric: Metric, caps: &Caps) -> Self {
        let config = model.config();
        let regions = model.region_count();
        let plans: Vec<&BitPlan> =
            (0..regions).filter_map(|region| model.region(region).plan).collect();
        let pairs = (!plans.is_empty()).then(|| PairCodes::new(&plans));
        let code_words = count(padded(config.packed_size()) / 4);
        let scales = match (config.bytes(), config.has_row_scales()) {
            (Some(_), false) => 0,
            (Some(_), true) => 1,
            (None, _) => 2,
        };
        // The cosine of bit codes needs no norm: see `Metric::terms`.
        let scales = if scales == 1 && metric == Metric::Cosine { 0 } else { scales };
        let others = [metric.has_numbers(), scales != 0, regions > 1];
        let planes = code_words + others.map(u32::from).iter().sum::<u32>();
        let values = pairs.as_ref().map_or(padded(config.latent_dim), PairCodes::values);
        let bits = pairs.as_ref().map(|pairs| {
            let words = pairs.pairs.len();
            let is_exact = plans[0].tables().are_f16();
            let has_room = 4 * words as u64 <= caps.workgroup_bytes;
            PairShape {
                steps_per_region: count(pairs.steps_per_region),
                pairs: count(words),
                in_workgroup: !caps.software && is_exact && has_room,
            }
        });
        let metric_number = match metric {
            Metric::InnerProduct => 0,
            Metric::Cosine => 1,
            Metric::L2 => 2,
        };
        let shape = ScanShape {
            code_words,
            planes,
            regions: count(regions),
            values4: count(values / 4),
            metric: metric_number,
            scales,
            bits,
        };
        Self { metric, shape, pairs }
    }

    /// The kernels that score one query and four queries at once.
    pub(crate) fn scans(&self) -> [Kernel; 2] {
        [AtOnce::One, AtOnce::Four].map(|at_once| scan(&self.shape, at_once))
    }

    pub(crate) fn select(&self) -> Kernel {
        select()
    }

    /// Data of the model that the kernels read.
    pub(crate) fn residents(&self) -> Vec<(Resident, Vec<u8>)> {
        let Some((pairs, shape)) = self.pairs.as_ref().zip(self.shape.bits) else {
            return Vec::new();
        };
        let f16 = |pair: &[f32; 2]| pair.map(half::f16::from_f32);
        let values: Vec<u8> = match shape.in_workgroup {
            true => bytemuck::cast_slice(&pairs.pairs.iter().map(f16).collect::<Vec<_>>()).to_vec(),
            false => bytemuck::cast_slice(&pairs.pairs).to_vec(),
        };
        let steps = bytemuck::cast_slice(&pairs.steps).to_vec();
        vec![(Resident::SearchSteps, steps), (Resident::Pairs, values)]
    }

    /// Bytes of a tile of rows.
    pub(super) fn tile_bytes(&self) -> u64 {
        4 * u64::from(self.shape.planes) * TILE as u64
    }

    pub(super) fn regions(&self) -> usize {
        self.shape.regions as usize
    }

    /// Writes the planes of tiles: see `shaders/search/scan.wgsl`. Lanes without a row have zeros.
    pub(super) fn write_tiles(&self, batch: &Batch, tiles: &[Tile], bytes: &mut [u8]) {
        let words: &mut [u32] = bytemuck::cast_slice_mut(bytes);
        let tile_words = self.shape.planes as usize * TILE;
        let both = tiles.par_iter().zip(words.par_chunks_exact_mut(tile_words));
        both.for_each(|(tile, words)| self.write_tile(batch, tile, words));
    }

    fn write_tile(&self, batch: &Batch, tile: &Tile, words: &mut [u32]) {
        words.fill(0);
        let bits = |value: f32| value.to_bits();
        for lane in 0..tile.rows {
            let row = batch.listing.row(tile.first + lane);
            let mut lanes = words[lane..].iter_mut().step_by(TILE);
            let (fours, rest) = batch.packed(row).as_chunks::<4>();
            for bytes in fours {
                put(&mut lanes, u32::from_le_bytes(*bytes));
            }
            if !rest.is_empty() {
                let mut bytes = [0; 4];
                bytes[..rest.len()].copy_from_slice(rest);
                put(&mut lanes, u32::from_le_bytes(bytes));
            }
            if self.metric.has_numbers() {
                put(&mut lanes, bits(batch.numbers[row as usize]));
            }
            let (norm, code_scale) = batch.norm_and_scale(row);
            match self.shape.scales {
                0 => {}
                1 => put(&mut lanes, bits(norm)),
                _ => put(&mut lanes, bits(code_scale)),
            }
            if self.shape.regions > 1 {
                put(&mut lanes, row);
            }
        }
    }

    /// How many groups so many queries make, and how many queries a group has.
    pub(super) fn groups(queries: usize) -> (usize, AtOnce) {
        match queries {
            1 => (1, AtOnce::One),
            _ => (queries.div_ceil(AtOnce::Four.count()), AtOnce::Four),
        }
    }

    /// Bytes of a group's values and centers.
    pub(super) fn group_bytes(&self, at_once: AtOnce) -> u64 {
        let vectors = self.shape.values4 as usize * at_once.count() + 1;
        16 * (vectors * self.regions()) as u64
    }

    /// Writes queries as the kernels read them. Queries that fill up the last group have zeros.
    pub(super) fn write_queries(&self, queries: &Queries, at_once: AtOnce, bytes: &mut [u8]) {
        let values: &mut [f32] = bytemuck::cast_slice_mut(bytes);
        let per_query = at_once.count();
        let region_values = 4 * (self.shape.values4 as usize * per_query + 1);
        let groups = values.par_chunks_exact_mut(region_values).enumerate();
        groups.for_each(|(number, values)| {
            let (group, region) = (number / self.regions(), number % self.regions());
            let (values, centers) = values.split_at_mut(region_values - 4);
            values.fill(0.0);
            centers.fill(0.0);
            let projection = queries.region(region);
            for (index, center) in centers.iter_mut().take(per_query).enumerate() {
                let query = group * per_query + index;
                if query >= queries.count() {
                    break;
                }
                *center = projection.centers[query];
                let of_query = &projection.values[query * projection.stride..];
                let mut lane = values[index..].iter_mut().step_by(per_query);
                match &self.pairs {
                    None => lane.zip(&of_query[..projection.stride]).for_each(|(to, v)| *to = *v),
                    Some(pairs) => {
                        for latent in &pairs.latents[region] {
                            let to = lane.next().expect("a query has room for all values");
                            *to = latent.map_or(0.0, |latent| of_query[latent]);
                        }
                    }
                }
            }
        });
    }
}

fn put<'a>(lanes: &mut impl Iterator<Item = &'a mut u32>, word: u32) {
    *lanes.next().expect("a tile has room for all planes") = word;
}
