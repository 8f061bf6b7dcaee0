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

use super::group::Groups;
use super::region::Region;
use crate::bit_codes::{BitPlan, RATE_COUNT};
use crate::linear::linear;
use crate::simd::vectorized;

/// The most latents that are projected to choose a region.
const LEADING: usize = 64;

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
}

/// The leading latents of a region.
#[derive(Clone, Debug)]
pub(crate) struct Leading {
    latents: usize,
    /// Variance, in scaled units, and half of the share that coding leaves.
    costs: Vec<[f32; 2]>,
    rest_share: f32,
}

/// Memory of an assignment, used again for the next block.
#[derive(Default)]
pub(crate) struct Scratch {
    rows: Vec<f32>,
    products: Vec<f32>,
    nearest: Vec<u8>,
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
        Self { dim, shortlist, origin, scale, centroids, offsets, leading }
    }

    /// Writes the region of each row `[rows, dim]`.
    pub(super) fn assign(
        &self,
        regions: &[Region],
        rows: &[f32],
        scratch: &mut Scratch,
        found: &mut [u8],
    ) {
        let (dim, count) = (self.dim, regions.len());
        found.fill(0);
        if count == 1 {
            return;
        }
        let row_count = rows.len() / dim;
        self.find_nearest(rows, count, scratch);
        scratch.costs.clear();
        scratch.costs.resize(row_count, f32::INFINITY);
        for candidate in 0..self.shortlist {
            let nearest = scratch.nearest.iter().skip(candidate).step_by(self.shortlist);
            scratch.candidates.clear();
            scratch.candidates.extend(nearest);
            scratch.groups.sort(&scratch.candidates, count);
            for (number, group) in scratch.groups.iter() {
                let (region, leading) = (&regions[number], &self.leading[number]);
                scratch.rows.resize(group.len() * dim, 0.0);
                let of_group = group.iter().map(|row| &rows[*row as usize * dim..][..dim]);
                center_scaled(of_group, &region.centroid, self.scale, &mut scratch.rows);
                scratch.products.resize(group.len() * leading.latents, 0.0);
                let basis = &region.basis[..leading.latents * dim];
                linear(&mut scratch.products, &scratch.rows, basis, None, dim);
                vectorized(
                    #[inline(always)]
                    || {
                        let latents = scratch.products.chunks_exact(leading.latents);
                        let pairs = scratch.rows.chunks_exact(dim).zip(latents);
                        for (row, (y, z)) in group.iter().zip(pairs) {
                            let row = *row as usize;
                            let cost = leading.cost(y, z);
                            // The lower region of equals.
                            let equal = cost == scratch.costs[row] && (number as u8) < found[row];
                            if cost < scratch.costs[row] || equal {
                                (scratch.costs[row], found[row]) = (cost, number as u8);
                            }
                        }
                    },
                );
            }
        }
    }

    /// The nearest regions of each row, `[rows, shortlist]`.
    fn find_nearest(&self, rows: &[f32], count: usize, scratch: &mut Scratch) {
        let (dim, row_count) = (self.dim, rows.len() / self.dim);
        scratch.nearest.clear();
        if self.shortlist == count {
            scratch.nearest.extend((0..row_count).flat_map(|_| (0..count).map(|r| r as u8)));
            return;
        }
        scratch.rows.resize(rows.len(), 0.0);
        center_scaled(rows.chunks_exact(dim), &self.origin, self.scale, &mut scratch.rows);
        scratch.products.resize(row_count * count, 0.0);
        let offsets = Some(self.offsets.as_slice());
        linear(&mut scratch.products, &scratch.rows, &self.centroids, offsets, dim);
        for scores in scratch.products.chunks_exact_mut(count) {
            for _ in 0..self.shortlist {
                let best = largest(scores);
                scores[best] = f32::NEG_INFINITY;
                scratch.nearest.push(best as u8);
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

#[cfg(feature = "gpu")]
impl Leading {
    /// The variance of each leading latent, and half of the share that coding leaves.
    pub(crate) fn costs(&self) -> &[[f32; 2]] {
        &self.costs
    }

    pub(crate) fn rest_share(&self) -> f32 {
        self.rest_share
    }
}

impl Leading {
    /// The expected error of a row `y` from the centroid, whose leading latents are `z`.
    #[inline(always)]
    fn cost(&self, y: &[f32], z: &[f32]) -> f32 {
        let of_latent = |z: f32, [variance, half_share]: [f32; 2]| {
            half_share * (variance + variance.max(z * z))
        };
        let (blocks, rest) = z.as_chunks::<16>();
        let (block_costs, rest_costs) = self.costs.as_chunks::<16>();
        let mut sums = [0.0; 16];
        for (block, costs) in blocks.iter().zip(block_costs) {
            for (sum, (z, costs)) in sums.iter_mut().zip(block.iter().zip(costs)) {
                *sum += of_latent(*z, *costs);
            }
        }
        let others: f32 = rest.iter().zip(rest_costs).map(|(z, costs)| of_latent(*z, *costs)).sum();
        let uncoded = sum_of_squares(y) - sum_of_squares(z);
        sums.iter().sum::<f32>() + others + self.rest_share * uncoded.max(0.0)
    }
}

/// Writes rows from a centroid, scaled.
fn center_scaled<'a>(
    mut rows: impl Iterator<Item = &'a [f32]>,
    centroid: &[f32],
    scale: f32,
    out: &mut [f32],
) {
    vectorized(
        #[inline(always)]
        || {
            for (row, out) in rows.by_ref().zip(out.chunks_exact_mut(centroid.len())) {
                let pairs = row.iter().zip(centroid);
                out.iter_mut().zip(pairs).for_each(|(y, (x, c))| *y = (x - c) * scale);
            }
        },
    );
}

/// The number of the largest value, the first of equals.
pub(crate) fn largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (number, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = number;
        }
    }
    best
}

/// Several sums side by side, which a compiler may compute by vectors.
#[inline(always)]
fn sum_of_squares(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, v)| *sum += v * v);
    }
    sums.iter().sum::<f32>() + rest.iter().map(|v| v * v).sum::<f32>()
}

/// Latents that are projected to choose a region.
pub(crate) fn leading_latents(plan: &BitPlan) -> usize {
    plan.latents().min(LEADING)
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
