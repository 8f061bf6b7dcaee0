//! Samples of rows, and the error of a model on them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rayon::prelude::*;

use super::super::{Model, RowNorm};
use super::options::CancelToken;
use super::principal::requantize;
use crate::error::Result;
use crate::linear::linear;
use crate::quantize::to_unit;
use crate::rows::Rows;

/// Rows that errors are measured on, drawn at random.
pub(super) const MEASURED_ROWS: usize = 4096;

/// At most `max_rows` rows in their order, drawn at random without replacement. Samples of other sizes
/// are drawn from other random numbers of the same seed.
///
/// This is selection sampling (Knuth, The Art of Computer Programming, 3.4.2, algorithm S). It takes
/// each row with the probability `missing / left`: the rows that the sample still needs over the rows
/// that are left. Even strides would lose whole classes of rows where classes take turns.
pub(super) fn sampled(rows: &Rows<'_>, max_rows: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(max_rows as u64);
    let mut missing = rows.len().min(max_rows);
    let mut sample = Vec::with_capacity(missing * rows.dim());
    for row in 0..rows.len() {
        let left = (rows.len() - row) as u128;
        // A uniform integer below `left`. Its bias is below left / 2^64.
        if (u128::from(rng.next_u64()) * left) >> 64 < missing as u128 {
            sample.extend_from_slice(rows.row(row));
            missing -= 1;
        }
    }
    sample
}

/// Divides each row by its norm, and returns the norms. A row of zeros stays as it is.
pub(super) fn unit_rows(rows: &mut [f32], dim: usize) -> Vec<f32> {
    rows.chunks_exact_mut(dim).map(to_unit).collect()
}

/// Squared error over signal energy of rows that are encoded and decoded.
pub(super) fn relative_error(model: &Model, rows: &[f32], cancel: &CancelToken) -> Result<f64> {
    let (config, weights) = (model.config(), model.weights());
    let mut x = rows.to_vec();
    let scales = match config.row_norm() {
        Some(RowNorm::Store) => unit_rows(&mut x, config.dim),
        _ => vec![1.0; rows.len() / config.dim],
    };
    let mut latents = vec![0.0; scales.len() * config.latent_dim];
    linear(&mut latents, &x, &weights.encoder, weights.encoder_bias.as_deref(), config.dim);
    match model.plan() {
        None => requantize(config, &mut latents),
        Some(plan) => latents.par_chunks_mut(256 * config.latent_dim).try_for_each(|latents| {
            cancel.check()?;
            let mut packed_rows = vec![0; latents.len() / config.latent_dim * plan.code_bytes()];
            plan.encode(latents, &mut packed_rows);
            let rows = latents.chunks_exact_mut(config.latent_dim);
            rows.zip(packed_rows.chunks_exact(plan.code_bytes()))
                .for_each(|(z, s)| plan.decode(s, z));
            Ok(())
        })?,
    }
    let bias = weights.decoder_bias.as_deref();
    linear(&mut x, &latents, &weights.decoder, bias, config.latent_dim);
    let (mut error, mut energy) = (0.0, 0.0);
    let pairs = rows.chunks_exact(config.dim).zip(x.chunks_exact(config.dim));
    for ((row, decoded), scale) in pairs.zip(scales) {
        for (v, d) in row.iter().zip(decoded) {
            error += (f64::from(*v) - f64::from(d * scale)).powi(2);
            energy += f64::from(*v).powi(2);
        }
    }
    Ok(if error == 0.0 { 0.0 } else { error / energy })
}
