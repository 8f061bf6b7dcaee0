//! How far the keys of a fast pass may be off.

use super::batch::{Reach, View};
use super::queries::Queries;
use crate::error::Result;
use crate::model::Model;

/// Twice the bound on the error of each query's keys, where they are computed in `f32`.
///
/// ```text
/// error <= (latents + 4) 2^-24 (|q D| a |z| + |q . c| b + o)
/// ```
///
/// 1. A sum of `n` products in `f32`, in any order, is off by at most about `n 2^-24` times the sum of the
///    magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). By Cauchy and Schwarz
///    that sum is at most `|q D| |z|`.
/// 2. Four more roundings: of the query, of `a`, of the product with it and of the last sum.
///
/// # Errors
/// A query is so large that keys may leave the range of `f32`.
pub(crate) fn slacks(model: &Model, views: &[View<'_>], queries: &Queries) -> Result<Vec<f32>> {
    let mut reaches = vec![Reach::default(); model.region_count()];
    for view in views {
        let both = reaches.iter_mut().zip(&view.batch.reaches);
        both.for_each(|(all, reach)| *all = all.max(*reach));
    }
    let roundings = (model.config().latent_dim + 4) as f32 * (f32::EPSILON / 2.0);
    let slack = |query| Ok(2.0 * roundings * queries.magnitude(query, &reaches)?);
    (0..queries.count()).map(slack).collect()
}
