//! How a model's rows and queries lie on a device, for one metric: plain values.

use rayon::prelude::*;

use super::super::device::Caps;
use super::super::kernels::{
    AtOnce, Kernel, PairCodes, PairShape, QuadCodes, QuadShape, Resident, ScanShape, TILE,
    WIDE_THREADS, bundle_scan, bundle_tables, coop_bytes, coop_scan, near_scores, prepare,
    quad_queries, quad_scan, rank, scan,
};
use super::bundles::BundleLayout;
use super::rounds::{MAX_HITS, capacity};
use crate::bit_codes::BitPlan;
use crate::model::Model;
use crate::plan::{count, padded};
use crate::search::{Batch, Metric};

/// The sizes of tiles and queries, and the order of a query's values.
pub(crate) struct SearchLayout {
    pub(super) metric: Metric,
    pub(crate) shape: ScanShape,
    pub(super) latent_dim: usize,
    /// None for 8-bit codes.
    pub(super) pairs: Option<PairCodes>,
    /// None where rows are not scored by bundles of latents.
    pub(crate) bundles: Option<BundleLayout>,
    /// Of bit codes that are not scored by bundles. None where workgroup memory has no room for them.
    pub(super) quads: Option<(QuadCodes, QuadShape)>,
    /// Whether many queries are multiplied on cooperative matrices.
    pub(super) has_coop: bool,
}

/// The most bits of a pair. With 12, the table of a rate that few latents have would fill 16 KB.
const MAX_PAIR_BITS: u32 = 11;
/// Pairs of fewer bits save little.
const MIN_PAIR_BITS: u32 = 9;

/// Bit codes with pairs of as many bits as leave room for their tables in workgroup memory, also beside matrices.
fn pair_codes(plans: &[&BitPlan], is_coop: bool, workgroup_bytes: u64) -> PairCodes {
    let bytes = |codes: &PairCodes| {
        let pairs = count(codes.pairs.len());
        if is_coop { coop_bytes(pairs) } else { 4 * u64::from(pairs) }
    };
    let largest = PairCodes::new(plans, MAX_PAIR_BITS);
    if bytes(&largest) <= workgroup_bytes {
        return largest;
    }
    let smaller = (MIN_PAIR_BITS..MAX_PAIR_BITS).rev().map(|bits| PairCodes::new(plans, bits));
    smaller.into_iter().find(|codes| bytes(codes) <= workgroup_bytes).unwrap_or(largest)
}

/// Numbers of queries that rows are scored with in integers.
const BY_QUADS: [AtOnce; 2] = [AtOnce::OneByQuads, AtOnce::FourByQuads];

/// Bit codes in quads that workgroup memory has room for.
fn quads_of(
    plans: &[&BitPlan],
    pairs: &PairCodes,
    code_words: u32,
    caps: &Caps,
) -> Option<(QuadCodes, QuadShape)> {
    let codes = QuadCodes::new(plans, pairs, code_words, caps.workgroup_bytes)?;
    let shape = QuadShape {
        steps_per_region: count(codes.steps_per_region),
        table_words: count(codes.tables.len()),
        workgroup_bytes: codes.workgroup_bytes(),
        is_wide: caps.workgroup_threads >= WIDE_THREADS,
    };
    Some((codes, shape))
}

/// From so many queries on, a block of them takes less time than groups of four, full or not (H200).
const MANY_QUERIES: usize = 48;

/// Some rows of one region: positions in a batch's listing, from `first` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    pub(super) region: usize,
    pub(super) first: usize,
    pub(super) rows: usize,
}

impl Tile {
    /// As `tiles` in `shaders/search/candidates.wgsl`.
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
        let is_coop = caps.coop_side == Some(16);
        let pairs = (!plans.is_empty()).then(|| pair_codes(&plans, is_coop, caps.workgroup_bytes));
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
        let has_coop = is_coop
            && bits.is_some_and(|bits| {
                bits.in_workgroup && coop_bytes(bits.pairs) <= caps.workgroup_bytes
            });
        let shape = ScanShape {
            code_words,
            planes,
            regions: count(regions),
            values4: count(values / 4),
            metric: metric_number,
            scales,
            bits,
        };
        let bundles = pairs.as_ref().and_then(|pairs| BundleLayout::new(&plans, pairs, caps));
        // Candidates are scored with pairs of f16. A software adapter takes three times as long in integers.
        let suits = || !caps.software && bundles.is_none() && plans[0].tables().are_f16();
        let quads = pairs.as_ref().filter(|_| suits());
        let quads = quads.and_then(|pairs| quads_of(&plans, pairs, code_words, caps));
        Self { metric, shape, latent_dim: config.latent_dim, pairs, bundles, quads, has_coop }
    }

    /// The kernels that score rows.
    pub(crate) fn scans(&self) -> Vec<(AtOnce, Kernel)> {
        let mut scans: Vec<_> =
            [AtOnce::One, AtOnce::Four].map(|at_once| (at_once, scan(&self.shape, at_once))).into();
        let bundles = self.bundles.as_ref().map(|bundles| bundle_scan(&self.shape, &bundles.shape));
        scans.extend(bundles.map(|kernel| (AtOnce::OneByBundles, kernel)));
        let quads = self.quads.iter().flat_map(|(_, quads)| {
            BY_QUADS.map(|at_once| (at_once, quad_scan(&self.shape, quads, at_once)))
        });
        scans.extend(quads);
        let bits = self.shape.bits.filter(|_| self.has_coop);
        scans.extend(bits.map(|bits| (AtOnce::Many, coop_scan(&self.shape, bits.pairs))));
        scans
    }

    /// The kernel that forms tables of bundles, where rows are scored by them.
    pub(crate) fn bundle_tables(&self) -> Option<Kernel> {
        self.bundles.as_ref().map(|bundles| bundle_tables(&self.shape, &bundles.shape))
    }

    /// The kernels that round queries to integers, where rows are multiplied in integers.
    pub(crate) fn quad_queries(&self) -> Vec<(AtOnce, Kernel)> {
        let kernels = self.quads.iter().flat_map(|(_, quads)| {
            BY_QUADS.map(|at_once| (at_once, quad_queries(&self.shape, quads, at_once)))
        });
        kernels.collect()
    }

    /// The kernel that scores candidates in f32 that were found in integers.
    pub(crate) fn near_scores(&self) -> Option<Kernel> {
        let bits = self.shape.bits.filter(|_| self.quads.is_some());
        bits.map(|bits| near_scores(&self.shape, bits.pairs, count(capacity(MAX_HITS))))
    }

    /// Data of the model that the kernels read.
    pub(crate) fn residents(&self) -> Vec<(Resident, Vec<u8>)> {
        let Some((pairs, shape)) = self.pairs.as_ref().zip(self.shape.bits) else {
            return Vec::new();
        };
        let in_f16: Vec<_> = pairs.pairs.iter().map(|pair| pair.map(half::f16::from_f32)).collect();
        let in_f16: &[u8] = bytemuck::cast_slice(&in_f16);
        let values = if shape.in_workgroup { in_f16 } else { bytemuck::cast_slice(&pairs.pairs) };
        let steps = bytemuck::cast_slice(&pairs.steps).to_vec();
        let mut residents = vec![(Resident::SearchSteps, steps)];
        if self.has_coop || self.quads.is_some() {
            let mut bytes = in_f16.to_vec();
            for look_ups in &pairs.look_ups {
                let mut look_ups = look_ups.clone();
                look_ups.resize(self.shape.matrix_values() as usize / 2, [0; 2]);
                bytes.extend_from_slice(bytemuck::cast_slice(&look_ups));
            }
            residents.push((Resident::LookUps, bytes));
        }
        residents.push((Resident::Pairs, values.to_vec()));
        residents.extend(self.bundles.iter().flat_map(BundleLayout::residents));
        if let Some((quads, _)) = &self.quads {
            let mut words = quads.tables.clone();
            words.extend(quads.steps.iter().flat_map(|[shifts, table]| [*shifts, *table, 0, 0]));
            residents.push((Resident::Quads, bytemuck::cast_slice(&words).to_vec()));
            residents.push((Resident::QuadBytes, bytemuck::cast_slice(&quads.bytes).to_vec()));
        }
        residents
    }

    /// The kernel that scales queries of the caller's.
    pub(crate) fn prepare(&self, dim: usize) -> Kernel {
        prepare(&self.shape, count(dim))
    }

    /// The kernel that writes hits.
    pub(crate) fn rank(&self) -> Kernel {
        rank(&self.shape, self.metric.worst_score())
    }

    /// Bytes of a tile of rows.
    pub(super) fn tile_bytes(&self) -> u64 {
        4 * u64::from(self.shape.planes) * TILE as u64
    }

    pub(crate) fn regions(&self) -> usize {
        self.shape.regions as usize
    }

    /// The words of all tiles of a batch, and their planes.
    #[cfg(test)]
    pub(crate) fn tiles_and_planes(&self, batch: &Batch) -> (Vec<u32>, Vec<u8>) {
        let tiles = tiles(batch, self.regions());
        // Words, so that they are aligned.
        let mut planes = vec![0u32; tiles.len() * self.tile_bytes() as usize / 4];
        self.write_tiles(batch, &tiles, bytemuck::cast_slice_mut(&mut planes));
        (tiles.iter().map(|tile| tile.word()).collect(), bytemuck::cast_slice(&planes).to_vec())
    }

    /// Writes the planes of tiles: see `shaders/search/candidates.wgsl`. Lanes without a row have zeros.
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
    pub(super) fn groups(&self, queries: usize) -> (usize, AtOnce) {
        let at_once = match (&self.bundles, &self.quads) {
            _ if self.has_coop && queries >= MANY_QUERIES => AtOnce::Many,
            (Some(all), _) if queries <= all.max_queries() => AtOnce::OneByBundles,
            (_, Some(_)) if queries == 1 => AtOnce::OneByQuads,
            (_, Some(_)) => AtOnce::FourByQuads,
            _ => return Self::groups_in_f32(queries),
        };
        (queries.div_ceil(at_once.count()), at_once)
    }

    /// How many queries to answer together, at most, if each buffer of what they become has so many bytes.
    pub(super) fn max_queries(&self, bytes: u64) -> usize {
        let by_bytes = |at_once: AtOnce| {
            let QueryBytes { projected, packed, .. } =
                self.query_bytes(at_once.count(), 1, at_once);
            at_once.count() * (bytes / projected.max(packed)) as usize
        };
        let in_fours = match &self.quads {
            Some(_) => AtOnce::FourByQuads,
            None => AtOnce::Four,
        };
        match (by_bytes(AtOnce::Many), &self.bundles) {
            (many @ 1.., _) if self.has_coop => many,
            (_, Some(bundles)) => bundles.max_queries(),
            // More would have matrices.
            (_, None) if self.has_coop => by_bytes(in_fours).min(MANY_QUERIES - 1),
            (_, None) => by_bytes(in_fours),
        }
    }

    /// The same where queries are not rounded to f16.
    pub(super) fn groups_in_f32(queries: usize) -> (usize, AtOnce) {
        let at_once = if queries == 1 { AtOnce::One } else { AtOnce::Four };
        (queries.div_ceil(at_once.count()), at_once)
    }

    /// Bytes of what some queries become, in so many groups.
    pub(crate) fn query_bytes(&self, queries: usize, groups: usize, at_once: AtOnce) -> QueryBytes {
        let (regions, values4) = (self.regions() as u64, u64::from(self.shape.values4));
        let projected = match at_once {
            AtOnce::Four => 16 * regions * groups as u64 * (4 * values4 + 1),
            _ => 16 * regions * queries as u64 * (values4 + 1),
        };
        let bytes = QueryBytes { projected, ..QueryBytes::default() };
        match at_once {
            AtOnce::Many => {
                let rows = regions * (groups * at_once.count()) as u64;
                let packed = 2 * rows * u64::from(self.shape.matrix_values());
                QueryBytes { packed, centers: 8 * rows, ..bytes }
            }
            AtOnce::OneByQuads | AtOnce::FourByQuads => {
                let quads = self.quads.as_ref().map(|(_, quads)| quads);
                let of_group = quads.map_or(0, |quads| quads.query_bytes(at_once));
                QueryBytes { packed: regions * groups as u64 * of_group, ..bytes }
            }
            AtOnce::OneByBundles => {
                let tables = self.bundles.as_ref().map_or(0, BundleLayout::table_bytes);
                QueryBytes { tables: groups as u64 * tables, ..bytes }
            }
            _ => bytes,
        }
    }
}

/// Bytes of what queries become, by buffers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueryBytes {
    /// Queries in the latent space of each region.
    pub(crate) projected: u64,
    /// Matrices of many queries, or queries in integers.
    pub(crate) packed: u64,
    /// Products of many queries with centroids.
    pub(crate) centers: u64,
    /// Tables of bundles.
    pub(crate) tables: u64,
}

fn put<'a>(lanes: &mut impl Iterator<Item = &'a mut u32>, word: u32) {
    *lanes.next().expect("a tile has room for all planes") = word;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::caps;
    use crate::model::ModelConfig;

    /// As many queries are answered together as memory allows, whatever their kernels.
    #[test]
    fn memory_bounds_queries_that_are_answered_together() {
        let model = Model::random(ModelConfig::int8(40, 24), 5).unwrap();
        for caps in [caps(true, None), caps(false, Some(16))] {
            let layout = SearchLayout::new(&model, Metric::Cosine, &caps);
            let found = layout.max_queries(1 << 20);
            let bytes = |groups| layout.query_bytes(4 * groups, groups, AtOnce::Four).projected;
            assert!(found > 4 * MANY_QUERIES, "{found}");
            assert!(bytes(found / 4) <= 1 << 20 && bytes(found / 4 + 1) > 1 << 20, "{found}");
        }
    }
}
