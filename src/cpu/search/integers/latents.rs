//! Entries of 8 bits, 64 at a time.
//!
//! ```text
//! entry of latent i  ~=  t_i (u_i - 128)          u_i of 8 bits; t_i a step for each table
//! q_i t_i            ~=  s (128 h_i + l_i)        h_i and l_i of 8 bits; s a step for each query
//! q . entries        ~=  s (128 sum h_i (u_i - 128) + sum l_i (u_i - 128))
//! ```
//!
//! The windows of 64 latents lie in at most 64 bytes of a row. A *block* says where (`avx512.rs` has the
//! instructions):
//!
//! ```text
//! eights[j] = the eight bytes that hold the windows of latents 8 j .. 8 j + 7
//! window[i] = the eight bits of eights[i / 8] from shift[i] on, counted modulo 64
//! u[i]      = table[window[i] & mask[i] | begin[i]]
//! ```
//!
//! 1. A look-up among 64 entries takes a third of the time of one among 256. The tables of windows of few bits lie
//!    behind each other in 64 entries, and their latents share blocks: all latents of most scalar codes.
//! 2. Other latents share a block, too. Each of its tables is looked up for all latents, and decides for its own.
//! 3. At the begin of a trellis a window lacks its lowest bits. Its shift is that many bits earlier, and its mask
//!    clears them.
//! 4. So blocks have their own order of latents, and queries have the same.

#[cfg(target_arch = "x86_64")]
use super::avx512::avx512;
use super::blocks::{LANES, Lanes, Vectors};
#[cfg(not(target_arch = "x86_64"))]
use super::no_avx512::avx512;
use super::packing::Packing;
use super::padded::{PaddedCodes, ROWS};
use super::scale::Scale;
use crate::bit_codes::BitPlan;
use crate::search::{PackedRows, Projection, Rows};
use crate::simd::vectorized;

/// Rows of a region from which on tables and weights repay the time that it takes to make them.
const LEAST_ROWS: usize = 32;
/// The largest magnitude of `128 h + l`.
const LARGEST_WEIGHT: f64 = 127.0 * 128.0;
/// Latents of a row, at most.
const MOST_LATENTS: usize = 1 << 16;
/// What the magnitudes of all weights of a query add up to, at most, before they are rounded: sums of 128 times as
/// much have 32 bits.
const LARGEST_SUM: f64 = ((1 << 24) - MOST_LATENTS) as f64;

/// Some queries in integers, and how latents are unpacked.
pub(super) struct Latents {
    packing: Packing,
    /// Whether entries are not rounded: those of 8-bit codes.
    is_exact: bool,
    /// `[queries, stride]`: `h` and `l`.
    weights: Vec<[Lanes; 2]>,
    /// By query: 128 times the sum of the weights.
    centers: Vec<i32>,
    /// By query.
    scales: Vec<Scale>,
}

impl Latents {
    /// The latents of a plan, or as many of 8-bit codes. None where a window has more than 8 bits, where rows are few,
    /// where sums of so many latents would have more than 32 bits, or where the machine has no such instructions.
    pub(super) fn new(
        plan: Option<&BitPlan>,
        latents: usize,
        queries: &Projection,
        rows: usize,
    ) -> Option<Self> {
        (rows >= LEAST_ROWS && instructions_exist()).then(|| Self::of(plan, latents, queries))?
    }

    /// The same for all machines.
    pub(super) fn of(plan: Option<&BitPlan>, latents: usize, queries: &Projection) -> Option<Self> {
        if latents > MOST_LATENTS {
            return None;
        }
        let packing = match plan {
            Some(plan) => Packing::of_bits(plan)?,
            None => Packing::of_bytes(latents),
        };
        let (weights, centers, scales) = (Vec::new(), Vec::new(), Vec::new());
        let mut all = Self { packing, is_exact: plan.is_none(), weights, centers, scales };
        (0..queries.count()).for_each(|query| all.push(queries.query(query)));
        Some(all)
    }

    /// Vectors of a row.
    fn stride(&self) -> usize {
        self.packing.values.len() / LANES
    }

    /// Adds a query.
    fn push(&mut self, query: &[f32]) {
        let values = &self.packing.values;
        let weight = |value: &Option<(usize, f64)>| {
            value.map_or(0.0, |(latent, step)| f64::from(query[latent]) * step)
        };
        let weights = || values.iter().map(weight);
        let largest = weights().fold(0.0, |max: f64, w| max.max(w.abs()));
        let count = values.iter().flatten().count() as f64;
        let largest_weight = LARGEST_WEIGHT.min(LARGEST_SUM / count);
        let scale = if self.is_exact {
            let norm = weights().map(|w| w * w).sum::<f64>().sqrt();
            Scale::of_exact(largest, largest_weight, count, norm)
        } else {
            // An entry is at most 127 steps, and rounded.
            Scale::of_entries(largest, largest_weight, count, 128.0, weights().map(f64::abs).sum())
        };
        let first = self.weights.len();
        self.weights.resize(first + self.stride(), [Lanes([0; LANES]); 2]);
        let mut center = 0;
        for (at, weight) in weights().enumerate() {
            let weight = (weight / f64::from(scale.step)).round() as i32;
            let high = (weight + 64) >> 7;
            let block = &mut self.weights[first + at / LANES];
            block[0].0[at % LANES] = high as i8 as u8;
            block[1].0[at % LANES] = (weight - 128 * high) as i8 as u8;
            center += 128 * weight;
        }
        self.centers.push(center);
        self.scales.push(scale);
    }

    pub(super) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    pub(super) fn products(
        &self,
        resident: PackedRows<'_>,
        rows: &Rows<'_>,
        memory: (&mut PaddedCodes, &mut Vec<Lanes>),
        products: &mut [f32],
    ) {
        if let Some(vectors) = avx512() {
            self.products_with(vectors, resident, rows, memory, products);
        }
    }

    pub(super) fn products_with(
        &self,
        vectors: impl Vectors,
        resident: PackedRows<'_>,
        all: &Rows<'_>,
        (padded, values): (&mut PaddedCodes, &mut Vec<Lanes>),
        products: &mut [f32],
    ) {
        let (rows, stride) = (all.len(), self.stride());
        let Packing { blocks, row_reach, .. } = &self.packing;
        let is_one = self.scales.len() == 1;
        if !is_one {
            values.resize(ROWS * stride, Lanes([0; LANES]));
        }
        let mut starts = [0; ROWS];
        for first in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - first);
            let group = all.part(first..first + count);
            set_starts(&mut starts, resident, &group);
            let mut codes = resident.bytes();
            // Rows are in order. There may be nothing behind the last ones of all.
            if resident.start(group.at(count - 1)) + row_reach > codes.len() {
                padded.set(resident, &group, *row_reach);
                codes = &padded.bytes;
                starts.iter_mut().zip((0..).step_by(padded.stride)).for_each(|(s, at)| *s = at);
            }
            // The last four may have some row twice.
            let fours = &starts.as_chunks::<4>().0[..count.div_ceil(4)];
            if !is_one {
                for (number, block) in blocks.iter().enumerate() {
                    vectors.unpack(block, codes, fours, &mut values[number..], stride);
                }
            }
            let queries = self.weights.chunks_exact(stride).zip(&self.centers).zip(&self.scales);
            for (query, ((weights, center), scale)) in queries.enumerate() {
                let products = &mut products[query * rows + first..][..count];
                let sums = match is_one {
                    true => vectors.unpacked_sums(blocks, codes, fours, weights),
                    false => vectors.sums(values, stride, weights),
                };
                vectorized(
                    #[inline(always)]
                    || {
                        for (product, sum) in products.iter_mut().zip(&sums) {
                            // The difference has 32 bits, and a sum may have wrapped around.
                            *product = scale.step * sum.wrapping_sub(*center) as f32;
                        }
                    },
                );
            }
        }
    }
}

/// Sets where the codes of up to [`ROWS`] rows begin. Rows that are not there begin where the first does.
#[inline(always)]
fn set_starts(starts: &mut [usize; ROWS], resident: PackedRows<'_>, rows: &Rows<'_>) {
    let mut rest = starts.iter_mut();
    rows.each(
        #[inline(always)]
        |row| {
            if let Some(start) = rest.next() {
                *start = resident.start(row);
            }
        },
    );
    rest.for_each(|start| *start = resident.start(rows.at(0)));
}

/// Whether the machine has the instructions.
pub(super) fn instructions_exist() -> bool {
    avx512().is_some()
}
