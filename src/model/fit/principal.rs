//! In closed form: principal components, and where the latent is not linear a decoder by ridge
//! least squares on the latents as they will be quantised.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Side, linalg::solvers::Solve as _};

use super::super::{Activation, ModelConfig, Weights};
use super::axes::{Axes, add_gram, axes};
use super::options::CancelToken;
use crate::error::{Error, Result};
use crate::linear::linear;
use crate::quantize::{dequantize, quantize};
use crate::rows::Rows;

/// Rows that are widened to `f64` at a time.
const BLOCK_ROWS: usize = 2048;
/// Latents are shifted up by this many standard deviations before a ReLU, so that it cuts off
/// little. The decoder's bias takes the shift back.
const RELU_SHIFT: f64 = 3.0;
/// The ridge, in units of the latents' mean energy.
const RIDGE: f64 = 1e-7;

/// Encoder and decoder of the linear model, the encoder's bias shifted if a ReLU follows.
pub(super) fn principal_components(
    rows: &[f32],
    config: &ModelConfig,
    cancel: &CancelToken,
) -> Result<Weights> {
    let &ModelConfig { dim, latent_dim, .. } = config;
    let axes = axes(rows, dim, &vec![0; rows.len() / dim], 1, cancel)?.remove(0);
    let Axes { centroid, basis, variances, .. } = axes;
    let mut encoder = vec![0.0f32; latent_dim * dim];
    let mut encoder_bias = vec![0.0f32; latent_dim];
    let mut decoder = vec![0.0f32; dim * latent_dim];
    // Latents beyond the axes stay zero.
    let axes = basis.chunks_exact(dim).zip(&variances).take(latent_dim);
    for (latent, (axis, variance)) in axes.enumerate() {
        let shift = match config.activation() {
            Activation::Relu => RELU_SHIFT * variance.sqrt(),
            Activation::Identity => 0.0,
        };
        let offset: f64 =
            axis.iter().zip(&centroid).map(|(v, m)| f64::from(*v) * f64::from(*m)).sum();
        encoder_bias[latent] = (shift - offset) as f32;
        encoder[latent * dim..][..dim].copy_from_slice(axis);
        for (i, v) in axis.iter().enumerate() {
            decoder[i * latent_dim + latent] = *v;
        }
    }
    Ok(Weights { encoder, encoder_bias: Some(encoder_bias), decoder, decoder_bias: Some(centroid) })
}

/// Replaces the decoder and its bias by the ridge solution of
/// `min sum |Wd z + bd - x|^2 + r |Wd|^2` over the quantised latents `z` of the rows.
pub(super) fn refit_decoder(
    rows: &Rows<'_>,
    config: &ModelConfig,
    weights: &mut Weights,
    cancel: &CancelToken,
) -> Result<()> {
    let &ModelConfig { dim, latent_dim, .. } = config;
    // The last column of the latents is 1, for the bias.
    let columns = latent_dim + 1;
    let mut gram = Mat::<f64>::zeros(columns, columns);
    let mut cross = Mat::<f64>::zeros(columns, dim);
    let mut latents = vec![0.0f32; BLOCK_ROWS * latent_dim];
    for_blocks(rows, cancel, |block| {
        let n = block.len() / dim;
        let latents = &mut latents[..n * latent_dim];
        linear(latents, block, &weights.encoder, weights.encoder_bias.as_deref(), dim);
        requantize(config, latents);
        let z = Mat::from_fn(n, columns, |r, c| match c {
            c if c == latent_dim => 1.0,
            c => f64::from(latents[r * latent_dim + c]),
        });
        let x = Mat::from_fn(n, dim, |r, c| f64::from(block[r * dim + c]));
        add_gram(&mut gram, z.as_ref());
        matmul(&mut cross, Accum::Add, z.transpose(), &x, 1.0, Par::rayon(0));
    })?;
    let energy: f64 = (0..latent_dim).map(|i| gram[(i, i)]).sum::<f64>() / latent_dim as f64;
    // A latent that is always zero gets a zero column, also where all of them are.
    let ridge = if energy > 0.0 { RIDGE * energy } else { 1.0 };
    (0..latent_dim).for_each(|i| gram[(i, i)] += ridge);
    let cholesky = gram
        .llt(Side::Lower)
        .map_err(|_| Error::Fit { stage: "the least squares of the decoder" })?;
    let solution = cholesky.solve(&cross);
    for i in 0..dim {
        for latent in 0..latent_dim {
            weights.decoder[i * latent_dim + latent] = solution[(latent, i)] as f32;
        }
    }
    weights.decoder_bias = Some((0..dim).map(|i| solution[(latent_dim, i)] as f32).collect());
    Ok(())
}

/// Latents as they come back from 8-bit codes.
pub(super) fn requantize(config: &ModelConfig, latents: &mut [f32]) {
    let mut codes = vec![0u8; config.latent_dim];
    for z in latents.chunks_exact_mut(config.latent_dim) {
        if config.activation() == Activation::Relu {
            z.iter_mut().for_each(|z| *z = z.max(0.0));
        }
        let scale = quantize(z, &mut codes);
        dequantize(&codes, scale, z);
    }
}

/// Calls `work` for blocks of rows, in order, until the fit is cancelled.
fn for_blocks(rows: &Rows<'_>, cancel: &CancelToken, mut work: impl FnMut(&[f32])) -> Result<()> {
    for start in (0..rows.len()).step_by(BLOCK_ROWS) {
        let range = start..rows.len().min(start + BLOCK_ROWS);
        cancel.check()?;
        work(rows.contiguous(&range).expect("training rows are flat"));
    }
    Ok(())
}
