//! The region of most rows, from estimates of the costs that `assign` defines.
//!
//! ```text
//! u       = x - origin                        once per row, in 16 bits
//! z_l     = (D_r^T u)_l - (D_r^T c_r)_l       products of integers of 16 bits
//! |y|^2   = |u|^2 - 2 (u . c_r - |c_r|^2 / 2) from the distances that chose the nearest regions
//! ```
//!
//! 1. Products of 16 bits take half of the time of those of `f32`, and no row has to be centred for each
//!    region.
//! 2. Each estimate has a bound of its difference from the cost that `assign` computes. A region whose
//!    least possible cost exceeds the largest possible cost of another is not chosen. Where several are
//!    left, `assign` compares them: the regions are always those that it chooses.
//! 3. Of the rows of real embeddings, two in a hundred are left to `assign`.

mod products;
#[cfg(test)]
mod tests;

use products::{Lanes, Products, ROWS, VECTORS, products};

use super::group::Groups;
use super::leading::{LEADING, Leading, sum_of_squares};
use crate::linear::{wide_dot, wide_products};
use crate::simd::Avx512;

/// The most leading latents.
const LATENTS: usize = 16 * VECTORS;
const _: () = assert!(LEADING <= LATENTS);
/// The norm of rows and the largest of basis vectors in steps of their integers: no value exceeds 16 bits
/// with its sign, and no sum of products 32.
const NORM: f64 = 32_000.0;
/// Half a step, and what computing in `f32` adds.
const HALF_STEP: f64 = 0.51;
/// For the rounding of norms and bounds themselves.
const SLACK: f64 = 1.01;
/// The most values of a row. Norms of more might be rounded by more than the slack.
pub(super) const MAX_DIM: usize = 1 << 16;
/// The least scale of rows. With less, a row's difference from a centroid might exceed `f32` where its distance
/// from the origin, in scaled units, does not.
pub(super) const LEAST_SCALE: f32 = 1.0 / (1u64 << 60) as f32;
/// The rounding of a sum of `f32` relative to the sum of magnitudes, by values.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;
/// Scaled rows of smaller norms have no estimate: their steps might be no normal numbers.
const LEAST_NORM: f32 = 1e-15;

/// What is computed once per model.
#[derive(Debug)]
pub(super) struct Estimator {
    vectors: Avx512,
    dim: usize,
    shortlist: usize,
    regions: Vec<Estimate>,
}

/// What the estimates of a region need.
#[derive(Debug)]
struct Estimate {
    /// By pairs of values.
    weights: Vec<[Lanes; VECTORS]>,
    /// The length of a step of the weights.
    step: f32,
    /// `D_r^T c_r`, from the origin.
    offsets: [f32; LATENTS],
    variances: [f32; LATENTS],
    half_shares: [f32; LATENTS],
    rest_share: f32,
    /// The cost of squares of zero without the rest's.
    least: f32,
    bound: Bound,
}

/// How far an estimate may be from the cost.
#[derive(Clone, Copy, Debug)]
struct Bound {
    /// The distance of the centroid from the origin.
    reach: f32,
    /// The error of the latents by the norm of the row, and by that and the reach together.
    quantized: f32,
    rounded: f32,
    /// The change of the cost by the squares of latents and of the row.
    slope: f32,
    /// The rounding of all sums, relative to twice what is summed.
    sums: f32,
    /// Twice what is summed beside squares.
    least: f32,
}

/// The rows of a block, used again for the next one.
#[derive(Default)]
pub(super) struct Scratch {
    /// Pairs of values of each row.
    rows: Vec<[i16; 2]>,
    norms: Vec<f32>,
    groups: Groups,
    /// The least and the largest possible costs, `[rows, shortlist]`.
    costs: Vec<[f32; 2]>,
}

impl Scratch {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.norms.clear();
    }
}

impl Estimator {
    /// For regions with these bases, and scaled centroids `[regions, dim]` from the origin.
    pub(super) fn new<'a>(
        vectors: Avx512,
        bases: impl Iterator<Item = &'a [f32]>,
        centroids: &[f32],
        leading: &[Leading],
        shortlist: usize,
    ) -> Self {
        let dim = centroids.len() / leading.len();
        let centroids = centroids.chunks_exact(dim);
        let estimates = bases.zip(centroids).zip(leading).map(|((basis, centroid), leading)| {
            Estimate::new(&basis[..leading.latents * dim], centroid, leading)
        });
        Self { vectors, dim, shortlist, regions: estimates.collect() }
    }

    /// Adds rows `[rows, dim]`, scaled and from the origin.
    pub(super) fn add_rows(&self, rows: &[f32], scratch: &mut Scratch) {
        self.vectors.vectorize(
            #[inline(always)]
            || {
                for row in rows.chunks_exact(self.dim) {
                    scratch.norms.push(add_row(row, &mut scratch.rows));
                }
            },
        );
    }

    /// Writes the regions of the rows whose estimates leave one, of nearest regions `[rows, shortlist]` with
    /// these scores. Gives the others' rows and their possible regions to `compare`.
    pub(super) fn decide(
        &self,
        nearest: &[u8],
        scores: &[f32],
        scratch: &mut Scratch,
        found: &mut [u8],
        mut compare: impl FnMut(usize, u8),
    ) {
        let Scratch { rows, norms, groups, costs } = scratch;
        groups.sort(nearest, self.regions.len());
        costs.resize(nearest.len(), [0.0; 2]);
        let (shortlist, pairs) = (self.shortlist, self.dim.div_ceil(2));
        let mut sums = Products::default();
        self.vectors.vectorize(
            #[inline(always)]
            || {
                for (number, group) in groups.iter() {
                    let estimate = &self.regions[number];
                    for tile in group.chunks(ROWS) {
                        // A tile with fewer rows has its last one several times.
                        let at = |i: usize| tile[i.min(tile.len() - 1)] as usize;
                        let of_tile =
                            std::array::from_fn(|i| &rows[at(i) / shortlist * pairs..][..pairs]);
                        products(self.vectors, &estimate.weights, of_tile, &mut sums);
                        for (products, at) in sums.iter().zip(tile) {
                            let at = *at as usize;
                            let norm = norms[at / shortlist];
                            costs[at] = estimate.costs(products, norm, scores[at]);
                        }
                    }
                }
            },
        );
        let of_rows = nearest.chunks_exact(shortlist).zip(costs.chunks_exact(shortlist));
        for ((row, found), (nearest, costs)) in found.iter_mut().enumerate().zip(of_rows) {
            let mut best = 0;
            for (candidate, [_, largest]) in costs.iter().enumerate() {
                if *largest < costs[best][1] {
                    best = candidate;
                }
            }
            // Of the best itself, and of NaN, this is false.
            let is_worse = |candidate: usize| costs[candidate][0] > costs[best][1];
            let possible = || (0..shortlist).filter(|candidate| !is_worse(*candidate));
            // A region of infinite cost is not chosen, even if it is the only one.
            if costs[best][1].is_finite() && possible().all(|candidate| candidate == best) {
                *found = nearest[best];
            } else {
                possible().for_each(|candidate| compare(row, nearest[candidate]));
            }
        }
    }
}

/// Appends a row in steps of its own, and returns its norm: infinity if it has no estimate.
#[inline(always)]
fn add_row(row: &[f32], rows: &mut Vec<[i16; 2]>) -> f32 {
    /// Added to a number of 16 bits, its last bits are that number, rounded.
    const LARGE: f32 = 1.5 * (1 << 23) as f32;
    let norm = sum_of_squares(row).sqrt();
    let steps = NORM as f32 / norm;
    let quantized = |value: f32| (value * steps + LARGE).to_bits() as i16;
    let (pairs, last) = row.as_chunks::<2>();
    rows.extend(pairs.iter().map(|[a, b]| [quantized(*a), quantized(*b)]));
    rows.extend(last.first().map(|a| [quantized(*a), 0]));
    if norm >= LEAST_NORM { norm } else { f32::INFINITY }
}

impl Estimate {
    fn new(basis: &[f32], centroid: &[f32], leading: &Leading) -> Self {
        let dim = centroid.len();
        let exact: Vec<f64> = basis.iter().map(|d| f64::from(*d)).collect();
        let norm = |row: &[f64]| row.iter().map(|d| d * d).sum::<f64>().sqrt();
        let largest = exact.chunks_exact(dim).map(norm).fold(f64::MIN_POSITIVE, f64::max);
        let step = (largest / NORM) as f32;
        let quantized: Vec<i16> =
            exact.iter().map(|d| (d / f64::from(step)).round_ties_even() as i16).collect();
        let error = |(d, q): (&f64, &i16)| f64::from(*q) * f64::from(step) - d;
        let errors: Vec<f64> = exact.iter().zip(&quantized).map(error).collect();
        let mut weights = vec![[Lanes::default(); VECTORS]; dim.div_ceil(2)];
        let mut offsets = [0.0; LATENTS];
        for (latent, row) in quantized.chunks_exact(dim).enumerate() {
            for (index, value) in row.iter().enumerate() {
                weights[index / 2][latent / 16].0[latent % 16][index % 2] = *value;
            }
            offsets[latent] = wide_dot(&exact[latent * dim..][..dim], centroid) as f32;
        }
        let (mut variances, mut half_shares) = ([0.0; LATENTS], [0.0; LATENTS]);
        for (latent, [variance, half_share]) in leading.costs.iter().enumerate() {
            (variances[latent], half_shares[latent]) = (*variance, *half_share);
        }
        let rest_share = leading.rest_share;
        let costs = variances.iter().zip(&half_shares);
        let least: f64 = costs.clone().map(|(v, h)| f64::from(*v) * f64::from(*h)).sum();
        let sum_least: f64 = costs.map(|(v, h)| f64::from(*v) * f64::from(h.abs())).sum();
        let (values, frobenius) = (dim as f64, norm(&exact));
        let (basis_norm, error_norm) = (max_gain(&exact, dim), max_gain(&errors, dim));
        let row_error = HALF_STEP * values.sqrt() / NORM;
        let quantized_error = error_norm + row_error * (basis_norm + error_norm);
        let reach = centroid.iter().map(|c| f64::from(*c).powi(2)).sum::<f64>().sqrt();
        let slope = half_shares.iter().fold(0.0f32, |max, h| max.max(h.abs())) + rest_share.abs();
        let bound = Bound {
            reach: (SLACK * reach) as f32,
            quantized: (SLACK * quantized_error) as f32,
            rounded: (SLACK * (values + 16.0) * ROUNDING * frobenius) as f32,
            slope: (SLACK * f64::from(slope)) as f32,
            sums: (SLACK * (values + 256.0) * ROUNDING) as f32,
            least: (SLACK * 4.0 * sum_least) as f32,
        };
        let least = least as f32;
        Self { weights, step, offsets, variances, half_shares, rest_share, least, bound }
    }

    /// The least and the largest possible cost.
    #[inline(always)]
    fn costs(&self, products: &[[i32; 16]; VECTORS], norm: f32, score: f32) -> [f32; 2] {
        let step = self.step * (norm / NORM as f32);
        let (mut costs, mut squares) = ([0.0; 16], [0.0; 16]);
        for (vector, products) in products.iter().enumerate() {
            for lane in 0..16 {
                let latent = 16 * vector + lane;
                let z = products[lane] as f32 * step - self.offsets[latent];
                squares[lane] += z * z;
                costs[lane] += self.half_shares[latent] * self.variances[latent].max(z * z);
            }
        }
        let square = squares.iter().sum::<f32>();
        let rest = (norm * norm - 2.0 * score - square).max(0.0);
        let cost = self.least + costs.iter().sum::<f32>() + self.rest_share * rest;
        let margin = self.bound.of(norm, square.sqrt());
        [cost - margin, cost + margin]
    }
}

impl Bound {
    /// For a row of this norm and the norm of its latents.
    #[inline(always)]
    fn of(&self, norm: f32, latents: f32) -> f32 {
        let both = norm + self.reach;
        // Of the latents, then of the sum of their squares.
        let error = self.quantized * norm + self.rounded * both;
        let of_squares = error * (2.0 * latents + error);
        // Twice the squares: where a sum of the cost might exceed `f32`, this does, and the bound is infinite.
        let all = 2.0 * (both * both + (latents + error) * (latents + error));
        self.slope * of_squares + self.sums * (self.slope * all + self.least) + f32::MIN_POSITIVE
    }
}

/// A bound of how much longer rows `[rows, dim]` make a vector that they are multiplied with: by
/// Gershgorin's theorem on their products with each other.
fn max_gain(rows: &[f64], dim: usize) -> f64 {
    let count = rows.len() / dim;
    let mut products = vec![0.0; count * count];
    wide_products(&mut products, rows, rows, dim);
    let sums = products.chunks_exact(count).map(|row| row.iter().map(|v| v.abs()).sum::<f64>());
    sums.fold(0.0, f64::max).sqrt()
}
