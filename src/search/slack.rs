//! How far the keys of a fast pass may be off.

#[cfg(feature = "gpu")]
use rayon::prelude::*;

use super::batch::{Reach, View};
use super::queries::Queries;
#[cfg(feature = "gpu")]
use super::queries::ScaledQueries;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::linear::linear;
use crate::model::Model;
#[cfg(feature = "gpu")]
use crate::model::RegionLayers;

/// How far a product of latents `z` may be off: `constant + per_norm |z|`. The constant is multiplied by
/// [`Reach::scale`], in which 8-bit codes have no scale of their own: their constant must be 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProductError {
    pub(crate) constant: f32,
    pub(crate) per_norm: f32,
}

impl ProductError {
    /// What bounds both errors.
    pub(crate) fn max(self, other: Self) -> Self {
        let constant = self.constant.max(other.constant);
        Self { constant, per_norm: self.per_norm.max(other.per_norm) }
    }
}

/// Sums of keys stay finite below it.
const MAX_MAGNITUDE: f32 = f32::MAX / 16.0;
/// The largest share of a number by which a sum in `f32` rounds it.
const ROUNDING: f32 = f32::EPSILON / 2.0;

/// Twice the bound on the error of each query's keys, where products are computed in integers or, without an error of
/// their own, in `f32`.
///
/// ```text
/// error <= (n + 4) 2^-24 (|q D| a |z| + |q . c| b + o) + a (e + f |z|)         n latents; e, f: ProductError
/// ```
///
/// 1. A sum of `n` products in `f32`, in any order, is off by at most about `n 2^-24` times the sum of the
///    magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). By Cauchy and Schwarz
///    that sum is at most `|q D| |z|`.
/// 2. Four more roundings: of the query, of `a`, of the product with it and of the last sum.
///
/// # Errors
/// A query is so large that keys may leave the range of `f32`.
pub(crate) fn slacks(
    model: &Model,
    views: &[View<'_>],
    queries: &Queries,
    errors: &[ProductError],
) -> Result<Vec<f32>> {
    let reaches = all_reaches(model, views);
    let roundings = (model.config().latent_dim as f32 + 4.0) * ROUNDING;
    let largest = reaches.iter().fold(Reach::default(), |max, reach| max.max(*reach));
    let slack = |query| {
        let magnitude = queries.magnitude(query, &reaches);
        let in_f32 = roundings * checked(magnitude).ok_or_else(|| queries.too_large(query))?;
        let ProductError { constant, per_norm } = errors.get(query).copied().unwrap_or_default();
        Ok(2.0 * (in_f32 + constant * largest.scale + per_norm * largest.latents))
    };
    (0..queries.count()).map(slack).collect()
}

/// A magnitude of keys with which all stay in the range of `f32`.
fn checked(magnitude: f32) -> Option<f32> {
    (magnitude < MAX_MAGNITUDE).then_some(magnitude)
}

/// What the rows of each region reach.
fn all_reaches(model: &Model, views: &[View<'_>]) -> Vec<Reach> {
    let mut reaches = vec![Reach::default(); model.region_count()];
    for view in views {
        let both = reaches.iter_mut().zip(&view.batch.reaches);
        both.for_each(|(all, reach)| *all = all.max(*reach));
    }
    reaches
}

/// How a device computes products of latents, from queries that it projects itself.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceProducts {
    /// Whether queries are rounded to `f16`, each scaled by a power of two with which its largest value lies between
    /// 2^13 and 2^14. Each sum may be truncated then.
    pub(crate) in_f16: bool,
    /// How many roundings a value of a projected query is off by, at most, of the sum of its magnitudes.
    pub(crate) projection_roundings: usize,
    /// The largest entry of all tables; none for 8-bit codes.
    pub(crate) largest_entry: Option<f32>,
}

/// Columns of a decoder that a thread multiplies with all others.
#[cfg(feature = "gpu")]
const BLOCK: usize = 64;
/// Of more latents, such products would take seconds.
#[cfg(feature = "gpu")]
const MAX_LATENTS: usize = 8192;

/// Bounds on the decoder `D` of a region, and on its centroid `c`.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegionNorms {
    /// Of `|q D| / |q|`.
    pub(crate) decoder: f32,
    /// The root of the sum of all squares.
    frobenius: f32,
    center: f32,
    /// Of the norm of a column of `D`, times the step of its latent.
    column: f32,
}

#[cfg(feature = "gpu")]
impl RegionNorms {
    /// The largest singular value of `D` is at most the root of the largest sum of magnitudes in a row of `D^T D`
    /// (Gershgorin), which is 1 where the columns are orthonormal. It is at most the root of the sum of all squares, too.
    pub(crate) fn new(region: &RegionLayers<'_>, dim: usize) -> Self {
        let (columns, latents) = (region.decoder.by_input(), region.decoder.inputs);
        let norm =
            |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let norms: Vec<f64> = columns.chunks_exact(dim).map(norm).collect();
        let all: f64 = norms.iter().sum();
        let frobenius = norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt();
        // An entry of the product is off by at most so much.
        let rounding = dim as f64 * f64::from(ROUNDING);
        let largest_of = |(rows, norms): (&[f32], &[f64])| {
            let mut products = vec![0.0; norms.len() * latents];
            linear(&mut products, rows, &columns, None, dim);
            let sum = |(row, norm): (&[f32], &f64)| {
                row.iter().map(|value| f64::from(value.abs())).sum::<f64>() + rounding * norm * all
            };
            products.chunks_exact(latents).zip(norms).map(sum).fold(0.0, f64::max)
        };
        let largest = match latents <= MAX_LATENTS {
            true => {
                let blocks = columns.par_chunks(BLOCK * dim).zip(norms.par_chunks(BLOCK));
                blocks.map(largest_of).reduce(|| 0.0, f64::max).sqrt()
            }
            false => frobenius,
        };
        let step =
            |latent: usize| region.plan.map_or(1.0, |plan| f64::from(plan.steps()[latent].abs()));
        let column = norms.iter().enumerate().map(|(latent, norm)| norm * step(latent));
        Self {
            decoder: largest.min(frobenius) as f32,
            frobenius: frobenius as f32,
            center: region.decoder.bias.map_or(0.0, norm) as f32,
            column: column.fold(0.0, f64::max) as f32,
        }
    }
}

/// Twice the bound on the error of each query's keys where a device computes them; none for a query of which no bound
/// is known.
///
/// ```text
/// F32  error <= (n + 4) 2^-24 m + p 2^-24 (|q| |D|_F a |z| + |q| |c| b) + dim 2^-126 g a sum |entries|
///      g = max(1, |q|, |D_l| step)
///      m = |q| |D| a |z| + |q| |c| b + o                                 n latents, p roundings of a projection
/// F16  error <= 2 (n + 4) 2^-24 m + the others + 2^-11 |q| |D| a |z| + 2^-38 max |q_i| n a max |entry|
/// ```
///
/// 1. As for [`slacks`]. Queries are known before they are projected, so that `|q D|` is bounded, too. Sums that are
///    truncated are off by twice as much.
/// 2. A value of a projected query is off by `p 2^-24` of the sum of its magnitudes, which is at most `|q|` times the
///    norm of a column of `D`. A device may take numbers below 2^-126 for zero,
///    also those that it multiplies.
/// 3. A value in `f16` is off by 2^-11 of itself, and below the normal range by 2^-25, which is at most 2^-38 of the
///    largest value. Values include the steps of their latents. A query is not scaled beyond 2^100.
#[cfg(feature = "gpu")]
pub(crate) fn device_slacks(
    model: &Model,
    views: &[View<'_>],
    queries: &ScaledQueries,
    norms: &[RegionNorms],
    products: DeviceProducts,
) -> Vec<Option<f32>> {
    let reaches = all_reaches(model, views);
    let config = model.config();
    let latents = config.latent_dim as f32;
    let roundings = (latents + 4.0) * ROUNDING;
    let of_projection = products.projection_roundings as f32 * ROUNDING;
    let slack = |query| {
        let norm = queries.norm(query) as f32;
        let of_region = |(norms, reach): (&RegionNorms, &Reach)| {
            let (product, center) =
                (norm * norms.decoder * reach.latents, norm * norms.center * reach.center);
            let magnitude = checked(product + center + reach.offset)?;
            // Values of a projected query are numbers as well.
            let value = checked(norm * norms.column.max(norms.center))?;
            // Of the magnitudes of a row's entries, or of its 8-bit codes times their scale.
            let entries = match products.largest_entry {
                Some(largest) => latents * largest * reach.scale,
                None => latents.sqrt() * reach.latents,
            };
            let in_f32 = roundings * magnitude
                + of_projection * (norm * norms.frobenius * reach.latents + center)
                + config.dim as f32 * f32::MIN_POSITIVE * norm.max(norms.column).max(1.0) * entries;
            let subnormal = (value * 2.0f32.powi(-38)).max(2.0f32.powi(-125));
            let error = match products.in_f16 {
                false => in_f32,
                true => {
                    in_f32
                        + roundings * magnitude
                        + 2.0f32.powi(-11) * product
                        + subnormal * entries
                }
            };
            Some(2.0 * error)
        };
        let mut all = norms.iter().zip(&reaches).map(of_region);
        all.try_fold(0.0f32, |largest, slack| Some(largest.max(slack?)))
    };
    (0..queries.count()).map(slack).collect()
}

#[cfg(all(test, feature = "gpu"))]
mod tests {
    use super::*;
    use crate::linear::wide_dot;
    use crate::model::ModelConfig;

    /// The bound on a decoder's norm holds for all queries, and is close where columns are orthonormal.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes under Miri")]
    fn norms_of_decoders_are_bounded() {
        let (dim, latents) = (70, 33);
        let number = |i: usize| ((i * 7919 + 13) as f64 * 0.618).sin();
        let model = Model::random(ModelConfig::int8(dim, latents), 5).unwrap();
        let region = model.region(0);
        let columns = region.decoder.by_input();
        let norms = RegionNorms::new(&region, dim);
        // The power method comes near the largest singular value from below.
        let mut query: Vec<f64> = (0..dim).map(number).collect();
        let mut largest = 0.0;
        for _ in 0..200 {
            let norm = query.iter().map(|v| v * v).sum::<f64>().sqrt();
            query.iter_mut().for_each(|value| *value /= norm);
            let products: Vec<f64> =
                columns.chunks_exact(dim).map(|column| wide_dot(&query, column)).collect();
            largest = products.iter().map(|v| v * v).sum::<f64>().sqrt();
            for (d, value) in query.iter_mut().enumerate() {
                let terms = products.iter().enumerate();
                *value = terms.map(|(l, v)| v * f64::from(columns[l * dim + d])).sum();
            }
        }
        let bound = f64::from(norms.decoder);
        assert!(largest <= bound && largest > 0.1 * bound, "{largest}, {bound}");
        assert!(norms.decoder <= 1.0001 * norms.frobenius * (latents as f32).sqrt());
    }

    /// Orthonormal columns, as fits make them: the bound is hardly above 1.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes under Miri")]
    fn orthonormal_columns_have_a_norm_of_about_one() {
        let rows: Vec<f32> = (0..400 * 24).map(|i| ((i * i % 9973) as f32 * 0.37).sin()).collect();
        let model = Model::fit(&rows, ModelConfig::bits(24, 8)).unwrap();
        let norms = RegionNorms::new(&model.region(0), 24);
        assert!(norms.decoder >= 0.999 && norms.decoder < 1.01, "{norms:?}");
    }
}
