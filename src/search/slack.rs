//! How far the keys of a fast pass may be off.

use super::batch::{Reach, View};
use super::queries::Queries;
use crate::error::Result;
use crate::model::Model;

/// How a fast pass computes products of latents.
#[derive(Clone, Debug)]
pub(crate) enum FastProducts {
    /// In `f32`.
    F32,
    /// With queries of `f16`, each scaled by a power of two, whose largest value then lies between 2^13 and 2^14.
    /// Each sum may be truncated. Entries of tables are at most so large.
    #[cfg(feature = "gpu")]
    F16 { largest_entry: f32 },
    /// In integers. The product of latents with each query is off by at most so much.
    Integers { errors: Vec<ProductError> },
}

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

/// Twice the bound on the error of each query's keys.
///
/// ```text
/// F32       error <= (n + 4) 2^-24 (|q D| a |z| + |q . c| b + o)               n latents
/// Integers  error <= the same + a (e + f |z|)                                  e, f of the rounding to integers
/// F16       error <= twice as much + 2^-11 |q D| a |z| + 2^-38 max |q_i| n a max |entry|
/// ```
///
/// 1. A sum of `n` products in `f32`, in any order, is off by at most about `n 2^-24` times the sum of the
///    magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). By Cauchy and Schwarz
///    that sum is at most `|q D| |z|`. Sums that are truncated are off by twice as much.
/// 2. Four more roundings: of the query, of `a`, of the product with it and of the last sum.
/// 3. A value of a query in `f16` is off by 2^-11 of itself, and below the normal range by 2^-25, which is at
///    most 2^-38 of the largest value. `q_i` includes the step of its latent.
///
/// # Errors
/// A query is so large that keys may leave the range of `f32`.
pub(crate) fn slacks(
    model: &Model,
    views: &[View<'_>],
    queries: &Queries,
    products: FastProducts,
) -> Result<Vec<f32>> {
    let mut reaches = vec![Reach::default(); model.region_count()];
    for view in views {
        let both = reaches.iter_mut().zip(&view.batch.reaches);
        both.for_each(|(all, reach)| *all = all.max(*reach));
    }
    let latents = model.config().latent_dim as f32;
    let roundings = (latents + 4.0) * (f32::EPSILON / 2.0);
    let largest = reaches.iter().fold(Reach::default(), |max, reach| max.max(*reach));
    let slack = |query| {
        let in_f32 = roundings * queries.magnitude(query, &reaches)?;
        Ok(2.0
            * match &products {
                FastProducts::F32 => in_f32,
                #[cfg(feature = "gpu")]
                FastProducts::F16 { largest_entry } => {
                    2.0 * in_f32 + queries.f16_error(query, &reaches, latents * largest_entry)
                }
                FastProducts::Integers { errors } => {
                    let ProductError { constant, per_norm } = errors[query];
                    in_f32 + constant * largest.scale + per_norm * largest.latents
                }
            })
    };
    (0..queries.count()).map(slack).collect()
}
