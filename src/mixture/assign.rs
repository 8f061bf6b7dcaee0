//! Which region a row belongs to: the one whose plan is expected to leave the least error.
//!
//! ```text
//! nearest regions: the SHORTLIST least of |x - c_r|^2
//! y       = x - c_r
//! z_l     = (D_r^T y)_l                             the leading latents: at most LEADING
//! cost_r  = sum over leading l of share_l max(v_l, (v_l + z_l^2) / 2)
//!         + rest_share_r max(|y|^2 - sum of z_l^2, 0)
//! ```
//!
//! `v_l` is the latent's variance and `share_l` the share of it that its bits leave.
//!
//! 1. The error of a trellis depends little on the value that it codes, and grows in the tails: hence
//!    half of the variance and half of the square.
//! 2. Projecting a row on every region would cost more than the search over the trellis.
//! 3. Everything is scaled by a power of two, so that no square leaves the range of `f32`. Distances
//!    are taken from the mean of the centroids, so that a large mean takes no digits.
//! 4. With AVX-512, `estimate` finds the same region for nearly all rows in less time.

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use super::estimate::{self, Estimator};
use super::group::Groups;
use super::leading::{Leading, leading_latents};
use super::region::{Region, center_scaled};
#[cfg(feature = "fit")]
use crate::bit_codes::BitPlan;
use crate::bit_codes::RATE_COUNT;
use crate::linear::linear;
use crate::simd::{Avx512, vectorized};

/// Rows whose nearest regions are found at a time: their estimates' integers stay in the second cache.
const BLOCK_ROWS: usize = 1024;
/// Rows that are centred and multiplied at a time, so that both find them in the second cache.
const TILE_ROWS: usize = 256;

/// What is computed once per model.
#[derive(Clone, Debug)]
pub(crate) struct Assigner {
    dim: usize,
    shortlist: usize,
    /// The mean of the centroids, `[dim]`.
    origin: Vec<f32>,
    /// A power of two: about the reciprocal of the rows' distances from their centroids.
    scale: f32,
    /// Scaled centroids from the origin, `[regions, dim]`.
    centroids: Vec<f32>,
    /// `-|c|^2 / 2` of them.
    offsets: Vec<f32>,
    leading: Vec<Leading>,
    /// Derived when rows are first encoded.
    estimator: Arc<OnceLock<Estimator>>,
}

/// Memory of an assignment, used again for the next block.
#[derive(Default)]
pub(crate) struct Scratch {
    rows: Vec<f32>,
    products: Vec<f32>,
    nearest: Vec<u8>,
    scores: Vec<f32>,
    estimates: estimate::Scratch,
    /// Rows, and for each a region that is compared with the others of the row.
    compared: Vec<u32>,
    candidates: Vec<u8>,
    costs: Vec<f32>,
    groups: Groups,
}

/// The expected error of a latent of this variance whose square is `square`.
pub(crate) fn coding_cost(share: f64, variance: f64, square: f64) -> f64 {
    share * variance.max(0.5 * (variance + square))
}

impl Assigner {
    pub(super) fn new(
        dim: usize,
        regions: &[Region],
        distortions: &[f32; RATE_COUNT],
        rest_shares: &[f32],
        shortlist: usize,
    ) -> Self {
        let count = regions.len() as f64;
        let mut origin = vec![0.0f64; dim];
        for region in regions {
            origin.iter_mut().zip(&region.centroid).for_each(|(o, c)| *o += f64::from(*c) / count);
        }
        let origin: Vec<f32> = origin.into_iter().map(|o| o as f32).collect();
        let energy = |region: &Region| -> f64 {
            region.plan.steps().iter().map(|step| f64::from(*step).powi(2)).sum()
        };
        let mean = regions.iter().map(energy).sum::<f64>() / count;
        let exponent = if mean > 0.0 { -(0.5 * mean.log2()).round() } else { 0.0 };
        let scale = exponent.clamp(-120.0, 120.0).exp2();
        let (mut centroids, mut offsets) = (Vec::with_capacity(regions.len() * dim), Vec::new());
        for region in regions {
            let from = centroids.len();
            let pairs = region.centroid.iter().zip(&origin);
            centroids.extend(pairs.map(|(c, o)| ((f64::from(*c) - f64::from(*o)) * scale) as f32));
            let norm: f64 = centroids[from..].iter().map(|c| f64::from(*c).powi(2)).sum();
            offsets.push((-0.5 * norm) as f32);
        }
        let leading = |(region, rest_share): (&Region, &f32)| {
            let latents = leading_latents(&region.plan);
            let costs = region.plan.latent_rates().zip(region.plan.steps()).take(latents).map(
                |(rate, step)| {
                    let variance = (f64::from(*step) * scale).powi(2) as f32;
                    [variance, 0.5 * distortions[rate.number()]]
                },
            );
            Leading { latents, costs: costs.collect(), rest_share: *rest_share }
        };
        let leading = regions.iter().zip(rest_shares).map(leading).collect();
        let scale = scale as f32;
        let estimator = Arc::default();
        Self { dim, shortlist, origin, scale, centroids, offsets, leading, estimator }
    }

    /// Writes the region of each row `[rows, dim]`.
    pub(super) fn assign(
        &self,
        regions: &[Region],
        rows: &[f32],
        scratch: &mut Scratch,
        found: &mut [u8],
    ) {
        found.fill(0);
        if regions.len() == 1 {
            return;
        }
        scratch.compared.clear();
        scratch.candidates.clear();
        let blocks = rows.chunks(BLOCK_ROWS * self.dim).zip(found.chunks_mut(BLOCK_ROWS));
        for (first, (rows, found)) in (0..).step_by(BLOCK_ROWS).zip(blocks) {
            let estimator = self.estimator(regions);
            self.find_nearest(rows, regions.len(), estimator, scratch);
            let Scratch { nearest, scores, estimates, compared, candidates, .. } = scratch;
            let mut compare = |row: usize, candidate: u8| {
                compared.push(first + row as u32);
                candidates.push(candidate);
            };
            match estimator {
                Some(estimator) => estimator.decide(nearest, scores, estimates, found, compare),
                None => {
                    let of_rows = nearest.chunks_exact(self.shortlist).enumerate();
                    of_rows.for_each(|(row, of_row)| of_row.iter().for_each(|r| compare(row, *r)));
                }
            }
        }
        self.compare(regions, rows, scratch, found);
    }

    /// What estimates the costs of these regions, on machines that it is faster on.
    fn estimator(&self, regions: &[Region]) -> Option<&Estimator> {
        // Of all regions there are no scores.
        let is_useful = self.shortlist < regions.len()
            && self.dim <= estimate::MAX_DIM
            && self.scale >= estimate::LEAST_SCALE;
        let vectors = Avx512::find().filter(|_| is_useful)?;
        let Self { centroids, leading, shortlist, .. } = self;
        let bases = regions.iter().map(|region| region.basis.as_slice());
        let new = || Estimator::new(vectors, bases, centroids, leading, *shortlist);
        Some(self.estimator.get_or_init(new))
    }

    /// Writes the region of each row that is compared: the candidate of least cost.
    fn compare(&self, regions: &[Region], rows: &[f32], scratch: &mut Scratch, found: &mut [u8]) {
        let dim = self.dim;
        scratch.costs.clear();
        scratch.costs.resize(found.len(), f32::INFINITY);
        scratch.groups.sort(&scratch.candidates, regions.len());
        for (number, group) in scratch.groups.iter() {
            let (region, leading) = (&regions[number], &self.leading[number]);
            for group in group.chunks(TILE_ROWS) {
                let row_of = |pair: &u32| scratch.compared[*pair as usize] as usize;
                scratch.rows.resize(group.len() * dim, 0.0);
                let of_group = group.iter().map(|pair| &rows[row_of(pair) * dim..][..dim]);
                center_scaled(of_group, &region.centroid, self.scale, &mut scratch.rows);
                scratch.products.resize(group.len() * leading.latents, 0.0);
                let basis = &region.basis[..leading.latents * dim];
                linear(&mut scratch.products, &scratch.rows, basis, None, dim);
                vectorized(
                    #[inline(always)]
                    || {
                        let latents = scratch.products.chunks_exact(leading.latents);
                        let pairs = scratch.rows.chunks_exact(dim).zip(latents);
                        for (pair, (y, z)) in group.iter().zip(pairs) {
                            let row = row_of(pair);
                            let cost = leading.cost(y, z);
                            // Regions come in order: of equals the lower one stays.
                            if cost < scratch.costs[row] {
                                (scratch.costs[row], found[row]) = (cost, number as u8);
                            }
                        }
                    },
                );
            }
        }
    }

    /// The nearest regions of each row, `[rows, shortlist]`, and their scores. The rows go to the estimator.
    fn find_nearest(
        &self,
        rows: &[f32],
        count: usize,
        estimator: Option<&Estimator>,
        scratch: &mut Scratch,
    ) {
        let dim = self.dim;
        scratch.nearest.clear();
        scratch.scores.clear();
        scratch.estimates.clear();
        if self.shortlist == count {
            let all = (0..rows.len() / dim).flat_map(|_| (0..count).map(|r| r as u8));
            return scratch.nearest.extend(all);
        }
        for rows in rows.chunks(TILE_ROWS * dim) {
            scratch.rows.resize(rows.len(), 0.0);
            center_scaled(rows.chunks_exact(dim), &self.origin, self.scale, &mut scratch.rows);
            scratch.products.resize(rows.len() / dim * count, 0.0);
            let offsets = Some(self.offsets.as_slice());
            linear(&mut scratch.products, &scratch.rows, &self.centroids, offsets, dim);
            for scores in scratch.products.chunks_exact_mut(count) {
                for _ in 0..self.shortlist {
                    let best = largest(scores);
                    scratch.scores.push(scores[best]);
                    scores[best] = f32::NEG_INFINITY;
                    scratch.nearest.push(best as u8);
                }
            }
            if let Some(estimator) = estimator {
                estimator.add_rows(&scratch.rows, &mut scratch.estimates);
            }
        }
    }
}

/// What the GPU engine computes with.
#[cfg(feature = "gpu")]
impl Assigner {
    pub(crate) fn origin(&self) -> &[f32] {
        &self.origin
    }

    pub(crate) fn scale(&self) -> f32 {
        self.scale
    }

    pub(crate) fn centroids(&self) -> &[f32] {
        &self.centroids
    }

    pub(crate) fn offsets(&self) -> &[f32] {
        &self.offsets
    }

    pub(crate) fn leading(&self) -> &[Leading] {
        &self.leading
    }

    /// The leading latents of the region that has most of them.
    pub(crate) fn most_leading_latents(&self) -> usize {
        self.leading.iter().map(|leading| leading.latents).max().unwrap_or(0)
    }
}

/// The number of the largest of some values, the first of equals.
pub(crate) fn largest(values: &[f32]) -> usize {
    // The value goes along: to load it by its number again would take longer than all the rest.
    let (mut best, mut largest) = (0, values[0]);
    for (number, value) in values.iter().enumerate() {
        if *value > largest {
            (best, largest) = (number, *value);
        }
    }
    best
}

/// The share of the energy behind a region's leading latents that coding leaves: of latents with
/// these variances in order, of which those with a rate have bits.
#[cfg(feature = "fit")]
pub(crate) fn rest_share(plan: &BitPlan, variances: &[f64], shares: &[f64]) -> f32 {
    let leading = leading_latents(plan);
    let rest: f64 = variances[leading..].iter().sum();
    let left: f64 = variances.iter().zip(shares).skip(leading).map(|(v, share)| v * share).sum();
    if rest > 0.0 { (left / rest) as f32 } else { 1.0 }
}
