//! Where regions begin: clusters of the rows by k-means.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rayon::prelude::*;

use super::super::axes::BLOCK_ROWS;
use super::super::options::CancelToken;
use crate::error::Result;
use crate::linear::linear;
use crate::mixture::largest;

const ROUNDS: usize = 25;

/// The cluster of each row `[rows, dim]`: k-means++ (Arthur and Vassilvitskii, 2007), then Lloyd's
/// iteration. The same seed gives the same clusters on every number of threads.
pub(super) fn clusters(
    rows: &[f32],
    dim: usize,
    count: usize,
    seed: u64,
    cancel: &CancelToken,
) -> Result<Vec<u8>> {
    let mut assigned = vec![0; rows.len() / dim];
    if count == 1 {
        return Ok(assigned);
    }
    let frame = Frame::new(rows, dim);
    let mut centroids = seeds(&frame, rows, count, seed, cancel)?;
    for _ in 0..ROUNDS {
        cancel.check()?;
        let before = std::mem::take(&mut assigned);
        assigned = nearest(&frame, rows, &centroids);
        if assigned == before {
            break;
        }
        move_centroids(&frame, rows, &assigned, &mut centroids);
    }
    Ok(assigned)
}

/// Rows are measured from their mean and in units of their spread, so that no square leaves the range
/// of `f32` and a large mean takes no digits.
struct Frame {
    dim: usize,
    mean: Vec<f32>,
    scale: f32,
}

impl Frame {
    fn new(rows: &[f32], dim: usize) -> Self {
        let count = (rows.len() / dim) as f64;
        let mut mean = vec![0.0f64; dim];
        for row in rows.chunks_exact(dim) {
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(*v) / count);
        }
        let square = |(v, m): (&f32, &f64)| (f64::from(*v) - m).powi(2);
        let energy: f64 =
            rows.chunks_exact(dim).map(|r| r.iter().zip(&mean).map(square).sum::<f64>()).sum();
        let mean = mean.into_iter().map(|m| m as f32).collect();
        let scale = if energy > 0.0 { (energy / count).sqrt().recip() as f32 } else { 1.0 };
        Self { dim, mean, scale: if scale.is_finite() { scale } else { 1.0 } }
    }

    /// Some rows in this frame.
    fn framed(&self, rows: &[f32]) -> Vec<f32> {
        let row = |row: &[f32]| -> Vec<f32> {
            row.iter().zip(&self.mean).map(|(v, m)| (v - m) * self.scale).collect()
        };
        rows.chunks_exact(self.dim).flat_map(row).collect()
    }
}

fn squared_norm(row: &[f32]) -> f32 {
    row.iter().map(|v| v * v).sum()
}

/// Rows far from all centroids so far are the likely next centroids: the probability is proportional to
/// the squared distance.
fn seeds(
    frame: &Frame,
    rows: &[f32],
    count: usize,
    seed: u64,
    cancel: &CancelToken,
) -> Result<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let dim = frame.dim;
    let row_count = rows.len() / dim;
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut next = (uniform() * row_count as f64) as usize;
    let mut distances = vec![f32::INFINITY; row_count];
    let mut centroids = Vec::with_capacity(count * dim);
    for number in 0..count {
        cancel.check()?;
        let centroid = frame.framed(&rows[next.min(row_count - 1) * dim..][..dim]);
        let blocks = rows.par_chunks(BLOCK_ROWS * dim).zip(distances.par_chunks_mut(BLOCK_ROWS));
        blocks.for_each(|(rows, distances)| {
            let rows = frame.framed(rows);
            for (row, distance) in rows.chunks_exact(dim).zip(distances) {
                let squares = row.iter().zip(&centroid).map(|(a, b)| (a - b) * (a - b));
                *distance = distance.min(squares.sum());
            }
        });
        centroids.extend_from_slice(&centroid);
        if number + 1 < count {
            let total: f64 = distances.iter().map(|d| f64::from(*d)).sum();
            let mut left = uniform() * total;
            let found = distances.iter().position(|distance| {
                left -= f64::from(*distance);
                left < 0.0
            });
            // All rows lie on centroids: any row will do.
            next = found.unwrap_or(number % row_count);
        }
    }
    Ok(centroids)
}

/// The nearest centroid of each row, the first of equals.
fn nearest(frame: &Frame, rows: &[f32], centroids: &[f32]) -> Vec<u8> {
    let dim = frame.dim;
    let count = centroids.len() / dim;
    let offsets: Vec<f32> = centroids.chunks_exact(dim).map(|c| -0.5 * squared_norm(c)).collect();
    let block = |rows: &[f32]| -> Vec<u8> {
        let rows = frame.framed(rows);
        let mut scores = vec![0.0; rows.len() / dim * count];
        linear(&mut scores, &rows, centroids, Some(&offsets), dim);
        scores.chunks_exact(count).map(|scores| largest(scores) as u8).collect()
    };
    rows.par_chunks(BLOCK_ROWS * dim).map(block).collect::<Vec<_>>().concat()
}

/// Moves each centroid to the mean of its rows. A centroid without rows stays.
fn move_centroids(frame: &Frame, rows: &[f32], assigned: &[u8], centroids: &mut [f32]) {
    let dim = frame.dim;
    let count = centroids.len() / dim;
    let block = |(rows, assigned): (&[f32], &[u8])| {
        let mut sums = (vec![0.0f64; count * dim], vec![0usize; count]);
        for (row, number) in frame.framed(rows).chunks_exact(dim).zip(assigned) {
            let number = usize::from(*number);
            let sum = &mut sums.0[number * dim..][..dim];
            sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += f64::from(*v));
            sums.1[number] += 1;
        }
        sums
    };
    let blocks: Vec<_> =
        rows.par_chunks(BLOCK_ROWS * dim).zip(assigned.par_chunks(BLOCK_ROWS)).map(block).collect();
    let mut totals = (vec![0.0f64; count * dim], vec![0usize; count]);
    for (sums, counts) in blocks {
        totals.0.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        totals.1.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    let sums = totals.0.chunks_exact(dim).zip(totals.1);
    for ((sum, rows), centroid) in sums.zip(centroids.chunks_exact_mut(dim)) {
        if rows > 0 {
            centroid.iter_mut().zip(sum).for_each(|(c, s)| *c = (s / rows as f64) as f32);
        }
    }
}
