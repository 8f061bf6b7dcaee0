//! Scalar codes scored byte by byte with one query: see `shaders/search/byte_products.wgsl`.
//!
//! ```text
//! q . z = sum_b sum_{l in byte b} q_l e_l      e_l = entry of the latent's table, by its bits
//!       = sum_l m_l + sum_b t_b                m_l = the least that q_l e_l may be
//!      ~= sum_l m_l + s sum_b round(t_b / s)   t_b >= 0
//! ```
//!
//! The step `s` of a query in a region makes 65,535 of the largest `t_b` that there may be.

use super::super::device::Caps;
use super::super::kernels::{ByteShape, Resident, WIDE_THREADS};
use crate::bit_codes::{BitPlan, LatentWindow};
use crate::plan::{count, padded};
use crate::search::{ProductError, Queries, SMALLEST_STEP};

/// Tables have entries of 16 bits.
const LARGEST_ENTRY: f64 = 65535.0;
/// Bytes of the tables of all queries that are answered together.
const TABLE_BYTES: u64 = 32 << 20;

/// Where the latents of all regions lie in their bytes.
pub(crate) struct ByteLayout {
    pub(super) shape: ByteShape,
    /// By region, for each latent.
    regions: Vec<Vec<ByteLatent>>,
    /// The tables of all regions.
    entries: Vec<f32>,
}

/// A latent of a byte.
#[derive(Clone, Copy, Debug)]
struct ByteLatent {
    byte: u32,
    shift: u32,
    bits: u32,
    first_entry: u32,
    least: f32,
    largest: f32,
}

impl ByteLatent {
    /// `Latent` in `shaders/search/byte_tables.wgsl`, for the latent of this number.
    fn words(&self, number: usize) -> [u32; 4] {
        let window = count(number) | self.shift << 16 | self.bits << 24;
        [window, self.first_entry, self.least.to_bits(), self.largest.to_bits()]
    }
}

impl ByteLayout {
    /// None where a latent crosses a byte, or where workgroup memory has no room for a region's tables.
    pub(super) fn new(plans: &[&BitPlan], caps: &Caps) -> Option<Self> {
        let first = plans.first()?;
        if !plans.iter().all(|plan| plan.has_bytes()) {
            return None;
        }
        let entries = first.tables().entries();
        let regions: Vec<Vec<ByteLatent>> =
            plans.iter().map(|plan| latents(plan, entries)).collect();
        let bytes = count(first.code_bytes()).next_multiple_of(16);
        let in_byte = |latents: &Vec<ByteLatent>| {
            let mut counts = vec![0u32; bytes as usize];
            latents.iter().for_each(|latent| counts[latent.byte as usize] += 1);
            counts.into_iter().max().unwrap_or(0)
        };
        let longest = regions.iter().map(Vec::len).max().unwrap_or(0);
        let shape = ByteShape {
            bytes,
            per_byte: regions.iter().map(in_byte).max().unwrap_or(0),
            values4: count(padded(longest) / 4),
            is_wide: caps.workgroup_threads >= WIDE_THREADS,
        };
        let has_room = shape.table_bytes() <= caps.workgroup_bytes;
        has_room.then(|| Self { shape, regions, entries: entries.to_vec() })
    }

    pub(super) fn residents(&self) -> [(Resident, Vec<u8>); 2] {
        let (bytes, per_byte) = (self.shape.bytes as usize, self.shape.per_byte as usize);
        let mut words = vec![[0; 4]; self.regions.len() * bytes * per_byte];
        for (latents, words) in self.regions.iter().zip(words.chunks_exact_mut(bytes * per_byte)) {
            for (number, latent) in latents.iter().enumerate() {
                let of_byte = &mut words[latent.byte as usize * per_byte..][..per_byte];
                let free = of_byte.iter_mut().find(|words| **words == [0; 4]);
                *free.expect("a byte has room for its latents") = latent.words(number);
            }
        }
        [
            (Resident::ByteLatents, bytemuck::cast_slice(&words).to_vec()),
            (Resident::BitTables, bytemuck::cast_slice(&self.entries).to_vec()),
        ]
    }

    /// Queries that are answered together, at most.
    pub(super) fn max_queries(&self) -> usize {
        (TABLE_BYTES / self.table_bytes()).max(1) as usize
    }

    /// Tables of a query: one for each byte in each region.
    pub(crate) fn table_count(&self) -> u32 {
        count(self.regions.len()) * self.shape.bytes
    }

    /// Bytes of the tables of a query.
    fn table_bytes(&self) -> u64 {
        self.regions.len() as u64 * self.shape.table_bytes()
    }

    /// Bytes of the values, the centers apart and the tables of a query.
    pub(super) fn query_bytes(&self) -> [u64; 3] {
        let values = 16 * self.regions.len() as u64 * (u64::from(self.shape.values4) + 1);
        [values, 0, self.table_bytes()]
    }

    /// Writes queries: values divided by the step, then the product with the centroid, the step and what all rows
    /// have at least.
    pub(super) fn write_queries(&self, queries: &Queries, bytes: &mut [u8]) {
        let values: &mut [f32] = bytemuck::cast_slice_mut(bytes);
        let region_values = 4 * (self.shape.values4 as usize + 1);
        for (number, values) in values.chunks_exact_mut(region_values).enumerate() {
            let (query, region) = (number / self.regions.len(), number % self.regions.len());
            let projection = queries.region(region);
            let of_query = projection.query(query);
            let Scale { step, least, .. } = self.scale(region, of_query);
            let (values, last) = values.split_at_mut(region_values - 4);
            values.fill(0.0);
            for (to, value) in values.iter_mut().zip(of_query) {
                *to = (f64::from(*value) / step) as f32;
            }
            last.copy_from_slice(&[projection.centers[query], step as f32, least as f32, 0.0]);
        }
    }

    /// Of each query, how far a product of latents may be off because of its tables.
    pub(super) fn errors(&self, queries: &Queries) -> Vec<ProductError> {
        let of_query = |query: usize| {
            let of_region = |region: usize| {
                self.scale(region, queries.region(region).query(query)).error(self.shape.bytes)
            };
            let constant = (0..self.regions.len()).map(of_region).fold(0.0, f64::max) as f32;
            ProductError { constant, per_norm: 0.0 }
        };
        (0..queries.count()).map(of_query).collect()
    }

    /// The scale of a query's tables in a region.
    fn scale(&self, region: usize, query: &[f32]) -> Scale {
        let mut ranges = vec![0.0; self.shape.bytes as usize];
        let (mut least, mut magnitude) = (0.0, 0.0);
        for (q, latent) in query.iter().zip(&self.regions[region]) {
            let ends = [latent.least, latent.largest].map(|e| f64::from(*q) * f64::from(e));
            least += ends[0].min(ends[1]);
            magnitude += ends[0].abs().max(ends[1].abs());
            ranges[latent.byte as usize] += (ends[1] - ends[0]).abs();
        }
        let largest = ranges.into_iter().fold(0.0, f64::max);
        // As the device has it.
        let step = f64::from((largest / LARGEST_ENTRY).max(SMALLEST_STEP) as f32);
        Scale { step, least, magnitude }
    }
}

/// The scale of a query's tables in a region.
struct Scale {
    step: f64,
    /// What the least entries of all latents add up to.
    least: f64,
    /// The sum of the largest magnitudes of all latents.
    magnitude: f64,
}

impl Scale {
    /// How far a product may be off. An entry is off by half a step. A value, its products, their sum in a byte, and
    /// the sum of all bytes are rounded less than 32 times, to 24 bits.
    fn error(&self, bytes: u32) -> f64 {
        f64::from(bytes) * self.step / 2.0 + self.magnitude / f64::from(1 << 19)
    }
}

fn latents(plan: &BitPlan, entries: &[f32]) -> Vec<ByteLatent> {
    let latent = |window: LatentWindow| {
        let table = &entries[window.table as usize..][..1 << window.bits];
        ByteLatent {
            byte: window.start / 8,
            shift: window.start % 8,
            bits: window.bits,
            first_entry: window.table,
            least: table.iter().copied().fold(f32::INFINITY, f32::min),
            largest: table.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        }
    };
    plan.latent_windows().map(latent).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bit_codes::{Layout, PaddedRow, RATE_COUNT, Rate, Tables, Window};
    use crate::gpu::tests::caps;

    /// Numbers between -1 and 1.
    fn number(seed: u32) -> f32 {
        (seed.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn plans() -> Vec<BitPlan> {
        let rates =
            [8, 6, 2, 5, 3, 4, 4, 4, 3, 1, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1].map(Rate::whole);
        let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
        for rate in &rates {
            // Not around zero, and of several sizes.
            let entry = |i: u32| 0.3 + number(i + 977 * rate.bits()) * rate.bits() as f32;
            tables[rate.number()] = (0..1 << Window::Own.bits(*rate)).map(entry).collect();
        }
        let tables = Arc::new(Tables::new(Window::Own, &tables).unwrap());
        let plan = |rates: &[Rate], first, bytes| {
            BitPlan::new(tables.clone(), Layout::Bytes, rates, vec![1.0; rates.len()], first, bytes)
        };
        let longest = plan(&rates, 0, None).unwrap();
        let bytes = Some(longest.code_bytes());
        vec![longest, plan(&rates[8..], 3, bytes).unwrap()]
    }

    /// The product of a row with a query as the shaders compute it.
    fn product(layout: &ByteLayout, region: usize, query: &[f32], row: &[u8]) -> f64 {
        let Scale { step, least, .. } = layout.scale(region, query);
        let mut sums = vec![0.0f32; layout.shape.bytes as usize];
        for (q, latent) in query.iter().zip(&layout.regions[region]) {
            let q = (f64::from(*q) / step) as f32;
            let code =
                u32::from(row[latent.byte as usize]) >> latent.shift & ((1 << latent.bits) - 1);
            let entry = layout.entries[(latent.first_entry + code) as usize];
            sums[latent.byte as usize] += q * entry - (q * latent.least).min(q * latent.largest);
        }
        let count: u32 = sums.iter().map(|sum| sum.round().min(65535.0) as u32).sum();
        f64::from(step as f32 * count as f32 + least as f32)
    }

    /// Products are within their bound, which is small beside what products differ by.
    #[test]
    fn products_by_bytes_are_within_their_bound() {
        let plans = plans();
        let plans: Vec<&BitPlan> = plans.iter().collect();
        let layout = ByteLayout::new(&plans, &caps(true, None)).expect("no latent crosses a byte");
        for (region, plan) in plans.iter().enumerate() {
            for (case, size) in [1.0, 1e-3, 1e20, 1e-30, 0.0].into_iter().enumerate() {
                let query: Vec<f32> = (0..plan.latents() as u32)
                    .map(|i| size * number(i + 31 * case as u32))
                    .collect();
                let bound = layout.scale(region, &query).error(layout.shape.bytes);
                let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
                for seed in 0..200 {
                    let byte = |i: u32| (number(i + 89 * seed) * 128.0) as i8 as u8;
                    let row: Vec<u8> = (0..plan.code_bytes() as u32).map(byte).collect();
                    let mut values = vec![0.0; plan.latents()];
                    plan.values(&row, &mut PaddedRow::default(), &mut values);
                    let terms =
                        query.iter().zip(&values).map(|(q, v)| f64::from(*q) * f64::from(*v));
                    let expected: f64 = terms.sum();
                    let found = product(&layout, region, &query, &row);
                    assert!((found - expected).abs() <= bound, "{size}: {found}, {expected}");
                    (low, high) = (low.min(expected), high.max(expected));
                }
                assert!(
                    size < 1e-20 || bound < 1e-3 * (high - low),
                    "{size}: {bound}, {low}, {high}"
                );
            }
        }
    }

    #[test]
    fn tables_that_have_no_room_are_not_formed() {
        let plans = plans();
        let plans: Vec<&BitPlan> = plans.iter().collect();
        let small = Caps { workgroup_bytes: 4096, ..caps(true, None) };
        assert!(ByteLayout::new(&plans, &small).is_none());
    }
}
