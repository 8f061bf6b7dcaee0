//! Samples of rows, and the error of a model on them.

use rayon::prelude::*;

use super::super::{Model, RowNorm};
use super::options::CancelToken;
use super::principal::requantize;
use super::warnings::FitWarning;
use crate::error::Result;
use crate::metrics::relative;
use crate::quantize::to_unit;
use crate::rows::Rows;
use crate::sample::random_rows;

/// Rows that errors are measured on, drawn at random.
pub(super) const MEASURED_ROWS: usize = 4096;
/// The most rows that are held out. They are a tenth of the rows at most.
pub(super) const HELD_OUT_ROWS: usize = 4096;

/// At most `max_rows` rows in their order, drawn by [`random_rows`].
pub(super) fn sampled(rows: &Rows<'_>, max_rows: usize, seed: u64) -> Vec<f32> {
    let numbers = random_rows(rows.len(), max_rows, seed);
    let mut sample = Vec::with_capacity(numbers.len() * rows.dim());
    numbers.into_iter().for_each(|row| sample.extend_from_slice(rows.row(row)));
    sample
}

/// Divides each row by its norm, and returns the norms. A row of zeros stays as it is.
pub(super) fn unit_rows(rows: &mut [f32], dim: usize) -> Vec<f32> {
    rows.chunks_exact_mut(dim).map(to_unit).collect()
}

/// Which of `count` rows are held out: at most `max_rows`, and a tenth at most, but at least one.
pub(super) fn held_out(count: usize, max_rows: usize, seed: u64) -> Vec<bool> {
    let mut is_held_out = vec![false; count];
    let chosen = random_rows(count, max_rows.min(count / 10).max(1), seed);
    chosen.into_iter().for_each(|row| is_held_out[row] = true);
    is_held_out
}

/// The rows `[rows, dim]` of which `is_held_out` is `wanted`.
pub(super) fn picked<T: Copy>(
    rows: &[T],
    dim: usize,
    is_held_out: &[bool],
    wanted: bool,
) -> Vec<T> {
    let mut all = Vec::with_capacity(dim * is_held_out.iter().filter(|h| **h == wanted).count());
    let rows = rows.chunks_exact(dim).zip(is_held_out).filter(|(_, held)| **held == wanted);
    rows.for_each(|(row, _)| all.extend_from_slice(row));
    all
}

/// Rows to fit on, and rows that are [held out](held_out).
pub(super) fn split(rows: &[f32], dim: usize, max_rows: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let is_held_out = held_out(rows.len() / dim, max_rows, seed);
    let held_out = picked(rows, dim, &is_held_out, true);
    let mut train = picked(rows, dim, &is_held_out, false);
    // A single row is fitted on and judged by.
    if train.is_empty() {
        train.clone_from(&held_out);
    }
    (train, held_out)
}

/// What encoding and decoding leave of rows.
pub(super) struct Errors {
    error: f64,
    energy: f64,
    /// The sum over rows of the row's error over its energy.
    of_rows: f64,
    rows: usize,
}

impl Errors {
    fn of(rows: &[f32], decoded: &[f32], dim: usize) -> Self {
        let mut errors = Self { error: 0.0, energy: 0.0, of_rows: 0.0, rows: rows.len() / dim };
        for (row, decoded) in rows.chunks_exact(dim).zip(decoded.chunks_exact(dim)) {
            let (mut error, mut energy) = (0.0, 0.0);
            for (v, d) in row.iter().zip(decoded) {
                error += (f64::from(*v) - f64::from(*d)).powi(2);
                energy += f64::from(*v).powi(2);
            }
            errors.error += error;
            errors.energy += energy;
            errors.of_rows += relative(error, energy).min(1e6);
        }
        errors
    }

    fn merged(self, other: Self) -> Self {
        Self {
            error: self.error + other.error,
            energy: self.energy + other.energy,
            of_rows: self.of_rows + other.of_rows,
            rows: self.rows + other.rows,
        }
    }

    /// Squared error over signal energy.
    pub(super) fn relative_mse(&self) -> f64 {
        relative(self.error, self.energy)
    }

    /// The mean of the rows' squared errors over their energies.
    pub(super) fn mean_of_rows(&self) -> f64 {
        self.of_rows / self.rows as f64
    }
}

/// Encodes and decodes rows with a model of bit codes of format 3. Returns the decoded rows, too.
pub(super) fn decoded_errors(
    model: &Model,
    rows: &[f32],
    cancel: &CancelToken,
) -> Result<(Vec<f32>, Errors)> {
    const PART_ROWS: usize = 2048;
    let dim = model.config().dim;
    let blocks = rows.par_chunks(PART_ROWS * dim).map(|rows| {
        cancel.check()?;
        let decoded = recoded(model, rows);
        let errors = Errors::of(rows, &decoded, dim);
        Ok((decoded, errors))
    });
    let (decoded, errors): (Vec<_>, Vec<_>) =
        blocks.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let none = Errors { error: 0.0, energy: 0.0, of_rows: 0.0, rows: 0 };
    Ok((decoded.concat(), errors.into_iter().fold(none, Errors::merged)))
}

/// Encodes and decodes rows with a model of bit codes of format 3.
pub(super) fn errors_of(model: &Model, rows: &[f32], cancel: &CancelToken) -> Result<Errors> {
    Ok(decoded_errors(model, rows, cancel)?.1)
}

/// Rows as they come back from their bit codes.
fn recoded(model: &Model, rows: &[f32]) -> Vec<f32> {
    let dim = model.config().dim;
    let mixture = model.mixture().expect("fits make models of regions");
    let mut x = rows.to_vec();
    let norms = match model.config().row_norm() {
        Some(RowNorm::Store) => unit_rows(&mut x, dim),
        _ => vec![1.0; rows.len() / dim],
    };
    let mut packed = vec![0; norms.len() * model.config().packed_size()];
    let mut scratch = Default::default();
    // Rows whose latents leave the range of f32 count with what codes of zeros give.
    let _ = mixture.encode(&x, &mut scratch, &mut packed, |_clipped| ());
    mixture.decode(&packed, &mut scratch, &mut x);
    for (row, norm) in x.chunks_exact_mut(dim).zip(norms) {
        row.iter_mut().for_each(|v| *v *= norm);
    }
    x
}

/// A warning if 8-bit codes lose much of the variance beside the latent that has the largest.
pub(super) fn dominant_direction(model: &Model, rows: &[f32]) -> Option<FitWarning> {
    /// Less than this share of the largest variance is rounding: rows on a line lose nothing.
    const ROUNDING: f64 = 1e-10;
    /// Where no latent dominates, a ten thousandth is lost.
    const MAX_LOST: f64 = 0.1;
    let (config, region) = (model.config(), model.region(0));
    let latent_dim = config.latent_dim;
    let mut latents = vec![0.0; rows.len() / config.dim * latent_dim];
    region.encode(rows, &mut Vec::new(), &mut latents);
    let mut coded = latents.clone();
    requantize(config, &mut coded);
    let count = (rows.len() / config.dim) as f64;
    let (mut sums, mut squares) = (vec![0.0; latent_dim], vec![0.0; latent_dim]);
    let mut errors = vec![0.0; latent_dim];
    for (z, q) in latents.chunks_exact(latent_dim).zip(coded.chunks_exact(latent_dim)) {
        for latent in 0..latent_dim {
            let value = f64::from(z[latent]);
            sums[latent] += value;
            squares[latent] += value * value;
            errors[latent] += (value - f64::from(q[latent])).powi(2);
        }
    }
    let variance = |latent: usize| squares[latent] / count - (sums[latent] / count).powi(2);
    let variances: Vec<f64> = (0..latent_dim).map(|latent| variance(latent).max(0.0)).collect();
    let largest = variances.iter().copied().fold(0.0, f64::max);
    // Without the latent of the largest variance.
    let (mut rest, mut lost) = (0.0, 0.0);
    for (variance, error) in variances.iter().zip(&errors).filter(|(v, _)| **v < largest) {
        rest += variance;
        lost += error / count;
    }
    (rest > ROUNDING * largest && lost > MAX_LOST * rest).then(|| FitWarning::DominantDirection {
        variance_share: largest / (largest + rest),
        lost_share: lost / rest,
    })
}

/// Squared error over signal energy of rows that are encoded to 8-bit codes and decoded.
pub(super) fn relative_error(model: &Model, rows: &[f32]) -> f64 {
    let (config, region) = (model.config(), model.region(0));
    let mut latents = vec![0.0; rows.len() / config.dim * config.latent_dim];
    region.encode(rows, &mut Vec::new(), &mut latents);
    requantize(config, &mut latents);
    let mut decoded = vec![0.0; rows.len()];
    region.decoder.apply(&latents, &mut decoded);
    Errors::of(rows, &decoded, config.dim).relative_mse()
}
