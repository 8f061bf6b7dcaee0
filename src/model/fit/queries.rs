//! Where queries lie, and how many of their neighbours are found among decoded rows.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use super::axes::add_gram;
use super::measure::{sampled, unit_rows};
use super::options::CancelToken;
use crate::error::Result;
use crate::linear::linear;
use crate::rows::Rows;

/// Queries that the second moments are taken of, drawn at random.
const MOMENT_QUERIES: usize = 16_384;
/// Queries that are searched for to measure the recall, drawn at random.
const SEARCHED_QUERIES: usize = 1000;
/// Rows that a query's neighbours are compared on.
const NEIGHBOURS: usize = 10;
/// A direction that queries never look along counts as this share of the mean direction.
const LEAST_WEIGHT: f64 = 1e-6;
/// Queries that are worked on at a time.
const BLOCK_QUERIES: usize = 64;

/// The second moments `E[q q^T]` of queries of norm 1, `[dim, dim]`.
pub(super) struct Moments(Mat<f64>);

impl Moments {
    /// Of a random sample of the queries.
    pub(super) fn of(queries: &Rows<'_>, seed: u64, cancel: &CancelToken) -> Result<Self> {
        const BLOCK_ROWS: usize = 1024;
        let dim = queries.dim();
        let mut sample = sampled(queries, MOMENT_QUERIES, seed);
        unit_rows(&mut sample, dim);
        let mut moments = Mat::<f64>::zeros(dim, dim);
        for block in sample.chunks(BLOCK_ROWS * dim) {
            cancel.check()?;
            let rows = Mat::from_fn(block.len() / dim, dim, |r, c| f64::from(block[r * dim + c]));
            add_gram(&mut moments, rows.as_ref());
        }
        let share = 1.0 / (sample.len() / dim) as f64;
        for c in 0..dim {
            for r in c..dim {
                moments[(r, c)] *= share;
                moments[(c, r)] = moments[(r, c)];
            }
        }
        Ok(Self(moments))
    }

    /// `E[(q . v)^2]` for each axis `v` of a basis `[axes, dim]`, by which the squared error of its latent
    /// counts in a score: the error of `q . x` is the sum over latents of `(q . v)^2 e^2`, where errors
    /// `e` of different latents are not correlated. All are 1 where queries are zeros.
    pub(super) fn squares(&self, basis: &[f32]) -> Vec<f64> {
        let dim = self.0.nrows();
        let basis = Mat::from_fn(basis.len() / dim, dim, |r, c| f64::from(basis[r * dim + c]));
        let mut products = Mat::<f64>::zeros(basis.nrows(), dim);
        let moments: MatRef<'_, f64> = self.0.as_ref();
        matmul(&mut products, Accum::Replace, &basis, moments, 1.0, Par::rayon(0));
        let mut squares: Vec<f64> = (0..basis.nrows())
            .map(|axis| (0..dim).map(|c| products[(axis, c)] * basis[(axis, c)]).sum())
            .collect();
        let mean = squares.iter().sum::<f64>() / squares.len() as f64;
        let least = LEAST_WEIGHT * mean;
        squares.iter_mut().for_each(|w| *w = if mean > 0.0 { w.max(least) } else { 1.0 });
        squares
    }
}

/// Queries, and the rows of the highest cosine similarity to each.
pub(super) struct Recall {
    dim: usize,
    /// Of norm 1, `[queries, dim]`.
    queries: Vec<f32>,
    nearest: Vec<Vec<u32>>,
}

impl Recall {
    /// Searches the neighbours of a random sample of the queries among rows `[n, dim]`.
    pub(super) fn of(queries: &Rows<'_>, rows: &[f32], seed: u64) -> Self {
        let dim = queries.dim();
        // Not the first random numbers of the seed, which draw other samples.
        let mut queries = sampled(queries, SEARCHED_QUERIES, seed ^ 0x5eed);
        unit_rows(&mut queries, dim);
        let nearest = nearest(&queries, rows.to_vec(), dim);
        Self { dim, queries, nearest }
    }

    /// The share of the true neighbours that a search among the decoded rows finds.
    pub(super) fn at_10(&self, decoded: Vec<f32>) -> f64 {
        let found = nearest(&self.queries, decoded, self.dim);
        let shared = |(truth, found): (&Vec<u32>, &Vec<u32>)| {
            found.iter().filter(|row| truth.contains(row)).count()
        };
        let shared: usize = self.nearest.iter().zip(&found).map(shared).sum();
        shared as f64 / self.nearest.iter().map(Vec::len).sum::<usize>().max(1) as f64
    }
}

/// The rows of the highest cosine similarity to each query, in any order; the first of equals.
fn nearest(queries: &[f32], mut rows: Vec<f32>, dim: usize) -> Vec<Vec<u32>> {
    unit_rows(&mut rows, dim);
    let count = rows.len() / dim;
    let block = |queries: &[f32]| -> Vec<Vec<u32>> {
        let mut scores = vec![0.0; queries.len() / dim * count];
        linear(&mut scores, queries, &rows, None, dim);
        let best = |scores: &[f32]| {
            let mut order: Vec<u32> = (0..count as u32).collect();
            let better = |a: &u32, b: &u32| {
                let (left, right) = (scores[*a as usize], scores[*b as usize]);
                right.total_cmp(&left).then(a.cmp(b))
            };
            if count > NEIGHBOURS {
                order.select_nth_unstable_by(NEIGHBOURS, better);
                order.truncate(NEIGHBOURS);
            }
            order
        };
        scores.chunks_exact(count).map(best).collect()
    };
    queries.par_chunks(BLOCK_QUERIES * dim).map(block).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_mean_squares_of_queries_along_each_axis() {
        // Unit queries: (0.6, 0.8, 0) and (1, 0, 0).
        let queries = [3.0, 4.0, 0.0, 7.0, 0.0, 0.0];
        let rows = Rows::flat("queries", &queries, 3).unwrap();
        let moments = Moments::of(&rows, 0, &CancelToken::new()).unwrap();
        let basis = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let expected: [f64; 3] = [(0.36 + 1.0) / 2.0, 0.64 / 2.0, 1e-6 / 3.0];
        let squares = moments.squares(&basis);
        for exponent in [0.0, 0.5, 1.0] {
            for (found, expected) in squares.iter().zip(expected) {
                let (found, expected) = (found.powf(exponent), expected.powf(exponent));
                assert!((found - expected).abs() <= 1e-6 * expected, "{found} for {expected}");
            }
        }
        let zeros = Rows::flat("queries", &[0.0; 3], 3).unwrap();
        let moments = Moments::of(&zeros, 0, &CancelToken::new()).unwrap();
        assert_eq!(moments.squares(&basis), [1.0; 3]);
    }

    #[test]
    fn recall_counts_the_neighbours_that_are_left() {
        // 40 rows on a half circle; the queries are the first and the last.
        let row = |i: usize| [(i as f32 * 0.05).cos(), (i as f32 * 0.05).sin()];
        let rows: Vec<f32> = (0..40).flat_map(row).collect();
        let queries = [row(0), row(39)].concat();
        let recall = Recall::of(&Rows::flat("queries", &queries, 2).unwrap(), &rows, 0);
        assert_eq!(recall.at_10(rows.clone()), 1.0);
        // Three of the first ten rows point elsewhere, whatever their length.
        let mut decoded = rows;
        decoded[..6].fill(-9.0);
        assert_eq!(recall.at_10(decoded), 17.0 / 20.0);
    }
}
