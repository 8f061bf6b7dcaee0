//! Recall: how many true nearest neighbours a search among decoded rows finds.
//!
//! A query is a measured row as it is in the file. The candidates are all other measured rows. The
//! true neighbours are the candidates of the highest cosine similarity to the query. The found
//! neighbours are what a search of the codes finds. Both searches are exhaustive. Of two rows with equal
//! similarity the earlier row counts as nearer.

use rayon::prelude::*;
use vecodec::Index;

use crate::error::Result;

/// Neighbours per query.
pub const NEIGHBOURS: usize = 10;

/// Queries per pass over the candidates. So many rows stay in the cache of a core.
const QUERIES_PER_PASS: usize = 16;

/// Queries with their true neighbours.
pub struct Truth {
    /// Positions of the queries among the rows.
    queries: Vec<usize>,
    /// The queries at norm 1, `[queries, dim]`.
    values: Vec<f32>,
    neighbours: Vec<[usize; NEIGHBOURS]>,
}

/// Means over all queries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recall {
    /// The share of queries whose true nearest row is found first.
    pub at_1: f64,
    /// The share of the ten true nearest rows among the ten found.
    pub at_10: f64,
}

impl Truth {
    /// Searches the neighbours of some rows among all others of `[n, dim]`, of which there must be
    /// at least [`NEIGHBOURS`].
    pub fn search(rows: &[f32], dim: usize, queries: Vec<usize>) -> Self {
        let candidates = normalized(rows.to_vec(), dim);
        let row = |query: &usize| &candidates[query * dim..(query + 1) * dim];
        let values: Vec<f32> = queries.iter().flat_map(row).copied().collect();
        let neighbours = nearest(&queries, &values, &candidates, dim);
        Self { queries, values, neighbours }
    }

    /// Searches the codes of all rows for the same queries.
    pub fn recall(&self, index: &Index) -> Result<Recall> {
        // One more, because a query finds itself.
        let hits = index.search(&self.values, NEIGHBOURS + 1)?;
        let found = self.queries.iter().enumerate().map(|(number, query)| {
            let others = hits.query(number).0.iter().filter(|id| **id != *query as u64);
            others.take(NEIGHBOURS).map(|id| *id as usize).collect()
        });
        Ok(self.compare(found))
    }

    /// Compares the neighbours that a search has found for each query with the true ones.
    fn compare(&self, found: impl Iterator<Item = Vec<usize>>) -> Recall {
        let (mut first, mut shared) = (0, 0);
        for (truth, found) in self.neighbours.iter().zip(found) {
            first += usize::from(found.first() == Some(&truth[0]));
            shared += found.iter().filter(|row| truth.contains(row)).count();
        }
        let queries = self.queries.len() as f64;
        Recall { at_1: first as f64 / queries, at_10: shared as f64 / queries / NEIGHBOURS as f64 }
    }
}

/// Rows at norm 1, so that their dot products are cosine similarities. A row of zeros stays.
fn normalized(mut rows: Vec<f32>, dim: usize) -> Vec<f32> {
    rows.par_chunks_exact_mut(dim).for_each(|row| {
        let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if norm > 0.0 {
            row.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
        }
    });
    rows
}

/// The nearest candidates of each query, best first, without the query itself.
fn nearest(
    queries: &[usize],
    values: &[f32],
    candidates: &[f32],
    dim: usize,
) -> Vec<[usize; NEIGHBOURS]> {
    let passes = queries.par_chunks(QUERIES_PER_PASS);
    let passes = passes.zip(values.par_chunks(QUERIES_PER_PASS * dim));
    let search = |(queries, values): (&[usize], &[f32])| {
        let mut best = vec![Best::default(); queries.len()];
        for (candidate, row) in candidates.chunks_exact(dim).enumerate() {
            let values = values.chunks_exact(dim);
            for ((query, values), best) in queries.iter().zip(values).zip(&mut best) {
                if *query != candidate {
                    best.offer(candidate, dot(values, row));
                }
            }
        }
        best
    };
    let best: Vec<Vec<Best>> = passes.map(search).collect();
    best.into_iter().flatten().map(|best| best.rows).collect()
}

/// The best candidates so far, best first.
#[derive(Clone)]
struct Best {
    rows: [usize; NEIGHBOURS],
    scores: [f32; NEIGHBOURS],
}

impl Default for Best {
    fn default() -> Self {
        Self { rows: [usize::MAX; NEIGHBOURS], scores: [f32::NEG_INFINITY; NEIGHBOURS] }
    }
}

impl Best {
    fn offer(&mut self, row: usize, score: f32) {
        if score <= self.scores[NEIGHBOURS - 1] {
            return;
        }
        let rank = self.scores.partition_point(|other| *other >= score);
        self.scores[rank..].rotate_right(1);
        self.rows[rank..].rotate_right(1);
        self.scores[rank] = score;
        self.rows[rank] = row;
    }
}

/// A dot product in sixteen partial sums, which compile to vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on a quarter of a circle, with norms of their own.
    fn arc(rows: usize) -> Vec<f32> {
        let point = |i: usize| {
            let (angle, norm) = (i as f32 / rows as f32 * 1.5, 1.0 + (i % 3) as f32);
            [norm * angle.cos(), norm * angle.sin()]
        };
        (0..rows).flat_map(point).collect()
    }

    #[test]
    fn neighbours_on_an_arc_are_next_to_each_other() {
        let truth = Truth::search(&arc(40), 2, vec![0, 20, 39]);
        assert_eq!(truth.neighbours[0], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(truth.neighbours[2], [38, 37, 36, 35, 34, 33, 32, 31, 30, 29]);
        let mut middle = truth.neighbours[1];
        middle.sort_unstable();
        assert_eq!(middle, [15, 16, 17, 18, 19, 21, 22, 23, 24, 25]);
    }

    #[test]
    fn recall_is_the_share_that_is_found() {
        let truth = Truth::search(&arc(40), 2, vec![0, 20]);
        let mut found: Vec<Vec<usize>> =
            truth.neighbours.iter().map(|rows| rows.to_vec()).collect();
        let recall = |found: &[Vec<usize>]| truth.compare(found.iter().cloned());
        assert_eq!(recall(&found), Recall { at_1: 1.0, at_10: 1.0 });
        found[0].rotate_left(1);
        assert_eq!(recall(&found), Recall { at_1: 0.5, at_10: 1.0 });
        found[0][9] = 39;
        found[1].truncate(4);
        assert_eq!(recall(&found), Recall { at_1: 0.5, at_10: 13.0 / 20.0 });
    }

    #[test]
    fn equal_rows_are_found_in_their_order() {
        let truth = Truth::search(&[1.0; 36], 3, vec![4, 11]);
        assert_eq!(truth.neighbours[0], [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]);
        assert_eq!(truth.neighbours[1], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn dot_products_of_any_length() {
        for len in [0, 1, 15, 16, 17, 384] {
            let a: Vec<f32> = (0..len).map(|i| (i % 5) as f32).collect();
            let b: Vec<f32> = (0..len).map(|i| (i % 3) as f32 - 1.0).collect();
            let expected: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert_eq!(dot(&a, &b), expected, "{len}");
        }
    }
}
