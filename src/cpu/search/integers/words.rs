//! Entries of tables and queries in integers of 16 bits.
//!
//! ```text
//! entry of latent i  ~=  t_i v_i        |v_i| <= 2047; t_i a step for each table
//! q_i t_i            ~=  s w_i          |w_i| <= 32767; s a step for each query
//! q . entries        ~=  s sum v_i w_i  the sum has 32 bits
//! ```
//!
//! AVX2 multiplies 16 pairs an instruction, and adds neighbouring products: twice as many as in `f32`. Rows are unpacked
//! once for all queries, by pairs of latents as elsewhere, but to half as many bytes.

#[cfg(target_arch = "x86_64")]
use super::avx2::{dots_are_fast, with_vectors};
#[cfg(target_arch = "aarch64")]
use super::neon::{dots_are_fast, with_vectors};
use super::nibbles::vectors_exist;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::no_vectors::{dots_are_fast, with_vectors};
use super::padded::ROWS;
use super::scale::Scale;
use super::vectors::{DOT_LANES, DOT_ROWS, DotRows, Vectors, WithVectors};
use crate::bit_codes::{BitPlan, LARGEST_ROUNDED, PaddedRow};
use crate::search::{PackedRows, Projection, Rows};

/// The largest magnitude of a weight.
const LARGEST_WEIGHT: f64 = i16::MAX as f64;
/// Latents of a row, at most.
const MAX_LATENTS: usize = 1 << 16;
/// What the magnitudes of all weights of a query add up to, at most, before they are rounded: sums of 2,047 times as
/// much have 32 bits.
const LARGEST_SUM: f64 = ((1 << 20) - MAX_LATENTS) as f64;

/// Some queries in integers.
pub(super) struct Words {
    plan: BitPlan,
    /// Vectors of a row.
    stride: usize,
    /// `[queries, stride]`
    weights: Vec<[i16; DOT_LANES]>,
    /// By query.
    scales: Vec<Scale>,
}

/// A thread's memory.
#[derive(Default)]
pub(super) struct Memory {
    padded: PaddedRow,
    /// `[stride]`: one row.
    row: Vec<[i16; DOT_LANES]>,
    /// `[ROWS / DOT_ROWS, stride]`: rows that are multiplied together lie side by side.
    values: Vec<DotRows>,
}

impl Words {
    /// None where latents are many, or where the machine multiplies so many queries in `f32` as fast.
    pub(super) fn new(plan: &BitPlan, queries: &Projection, are_few: bool) -> Option<Self> {
        let is_fast = dots_are_fast(are_few) && vectors_exist();
        is_fast.then(|| Self::of(plan, queries))?
    }

    /// The same for all machines that have vectors.
    pub(super) fn of(plan: &BitPlan, queries: &Projection) -> Option<Self> {
        if plan.latents() > MAX_LATENTS {
            return None;
        }
        let stride = plan.latents().div_ceil(DOT_LANES);
        let (weights, scales) = (Vec::new(), Vec::new());
        let mut all = Self { plan: plan.clone(), stride, weights, scales };
        (0..queries.count()).for_each(|query| all.push(queries.query(query)));
        Some(all)
    }

    /// Adds a query.
    fn push(&mut self, query: &[f32]) {
        let steps = self.plan.latent_rates().map(|rate| self.plan.tables().step(rate));
        let weights: Vec<f64> = query.iter().zip(steps).map(|(q, t)| f64::from(*q) * t).collect();
        let largest = weights.iter().fold(0.0, |max: f64, w| max.max(w.abs()));
        let sum = weights.iter().map(|w| w.abs()).sum::<f64>();
        let range = largest.max(sum * (LARGEST_WEIGHT / LARGEST_SUM));
        let (latents, entry) = (weights.len() as f64, f64::from(LARGEST_ROUNDED) + 0.5);
        let scale = Scale::of_entries(range, LARGEST_WEIGHT, latents, entry, sum);
        let rounded = |weight: f64| (weight / f64::from(scale.step)).round() as i16;
        self.weights.extend(weights.chunks(DOT_LANES).map(|weights| {
            std::array::from_fn(|i| weights.get(i).map_or(0, |weight| rounded(*weight)))
        }));
        self.scales.push(scale);
    }

    pub(super) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    pub(super) fn products(
        &self,
        resident: PackedRows<'_>,
        rows: &Rows<'_>,
        memory: &mut Memory,
        products: &mut [f32],
    ) {
        memory.row.resize(self.stride, [0; DOT_LANES]);
        memory.row.fill([0; DOT_LANES]);
        memory.values.resize(ROWS / DOT_ROWS * self.stride, Default::default());
        with_vectors(Products { words: self, resident, rows, memory, products });
    }
}

/// The products of rows with all queries.
struct Products<'a> {
    words: &'a Words,
    resident: PackedRows<'a>,
    rows: &'a Rows<'a>,
    memory: &'a mut Memory,
    /// `[queries, rows]`
    products: &'a mut [f32],
}

impl WithVectors for Products<'_> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) {
        let Self { words, resident, rows, memory, products } = self;
        let Memory { padded, row: unpacked, values: blocks } = memory;
        let (stride, latents) = (words.stride, words.plan.latents());
        for first in (0..rows.len()).step_by(ROWS) {
            let count = ROWS.min(rows.len() - first);
            let mut position = 0;
            rows.part(first..first + count).each(
                #[inline(always)]
                |row| {
                    let values = &mut unpacked.as_flattened_mut()[..latents];
                    words.plan.rounded_values(resident.row(row), padded, values);
                    let to = &mut blocks[position / DOT_ROWS * stride..][..stride];
                    to.iter_mut().zip(&*unpacked).for_each(|(to, v)| to[position % DOT_ROWS] = *v);
                    position += 1;
                },
            );
            let queries = words.weights.chunks_exact(stride).zip(&words.scales);
            for ((weights, scale), products) in queries.zip(products.chunks_exact_mut(rows.len())) {
                let products = products[first..][..count].chunks_mut(DOT_ROWS);
                for (products, values) in products.zip(blocks.chunks_exact(stride)) {
                    let found = vectors.dots(values, weights).map(|sum| scale.step * sum as f32);
                    match products.first_chunk_mut() {
                        Some(products) => *products = found,
                        None => products.copy_from_slice(&found[..products.len()]),
                    }
                }
            }
        }
    }
}
