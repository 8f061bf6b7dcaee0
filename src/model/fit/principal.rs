//! In closed form: principal components, and where the latent is not linear a decoder by ridge
//! least squares on the latents as they will be quantised.

use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par, Side, linalg::solvers::Solve as _};

use super::super::{Activation, ModelConfig, Weights};
use super::options::CancelToken;
use crate::error::{Error, Result};
use crate::linear::linear;
use crate::memory;
use crate::quantize::{dequantize, quantize};
use crate::rows::Rows;

/// Rows that are widened to `f64` at a time.
const BLOCK_ROWS: usize = 2048;
/// Latents are shifted up by this many standard deviations before a ReLU, so that it cuts off
/// little. The decoder's bias takes the shift back.
const RELU_SHIFT: f64 = 3.0;
/// The ridge, in units of the latents' mean energy.
const RIDGE: f64 = 1e-7;

/// Bytes that principal components of `dim` dimensions and models of `latent_dim` latents take.
pub(super) fn memory_bytes(dim: usize, latent_dim: usize) -> u64 {
    let scratch = self_adjoint_evd_scratch::<f64>(
        dim,
        ComputeEigenvectors::Yes,
        Par::rayon(0),
        Default::default(),
    );
    // The covariance, the matrix that the solver overwrites, and the eigenvectors.
    let matrices = memory::bytes_of::<f64>(&[3, dim, dim]);
    // Encoder and decoder: of the fit, and of the models before and after the training of tables.
    let weights = memory::bytes_of::<f32>(&[6, dim, latent_dim]);
    [Some(scratch.size_bytes() as u64), matrices, weights]
        .into_iter()
        .try_fold(0u64, |sum, bytes| sum.checked_add(bytes?))
        .unwrap_or(u64::MAX)
}

/// Encoder and decoder of the linear model, the encoder's bias shifted if a ReLU follows.
pub(super) fn principal_components(
    rows: &Rows<'_>,
    config: &ModelConfig,
    cancel: &CancelToken,
) -> Result<Weights> {
    let &ModelConfig { dim, latent_dim, .. } = config;
    let mean = mean(rows, cancel)?;
    let mut covariance = Mat::<f64>::zeros(dim, dim);
    for_blocks(rows, cancel, |block| {
        let centred =
            Mat::from_fn(block.len() / dim, dim, |r, c| f64::from(block[r * dim + c]) - mean[c]);
        add_gram(&mut covariance, centred.as_ref());
    })?;
    let eigen = covariance
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Error::Fit { stage: "the eigenvectors of the covariance" })?;

    let mut encoder = vec![0.0f32; latent_dim * dim];
    let mut encoder_bias = vec![0.0f32; latent_dim];
    let mut decoder = vec![0.0f32; dim * latent_dim];
    // Eigenvalues ascend. Latents beyond `dim` stay zero.
    for (latent, column) in (0..dim).rev().take(latent_dim).enumerate() {
        let axis: Vec<f64> = eigen.U().col(column).iter().copied().collect();
        let sign = sign_of(&axis);
        let variance = eigen.S()[column].max(0.0) / rows.len() as f64;
        let shift = match config.activation() {
            Activation::Relu => RELU_SHIFT * variance.sqrt(),
            Activation::Identity => 0.0,
        };
        let offset: f64 = axis.iter().zip(&mean).map(|(v, m)| v * m).sum();
        encoder_bias[latent] = (shift - sign * offset) as f32;
        for (i, v) in axis.iter().enumerate() {
            encoder[latent * dim + i] = (sign * v) as f32;
            decoder[i * latent_dim + latent] = (sign * v) as f32;
        }
    }
    let decoder_bias = mean.into_iter().map(|m| m as f32).collect();
    Ok(Weights {
        encoder,
        encoder_bias: Some(encoder_bias),
        decoder,
        decoder_bias: Some(decoder_bias),
    })
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

fn mean(rows: &Rows<'_>, cancel: &CancelToken) -> Result<Vec<f64>> {
    let mut sum = vec![0.0; rows.dim()];
    for_blocks(rows, cancel, |block| {
        for row in block.chunks_exact(rows.dim()) {
            sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
        }
    })?;
    Ok(sum.into_iter().map(|sum| sum / rows.len() as f64).collect())
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

/// The sign that makes an axis' largest entry positive: an eigenvector's own sign is arbitrary.
pub(super) fn sign_of(axis: &[f64]) -> f64 {
    let larger = |a: f64, b: f64| if b.abs() > a.abs() { b } else { a };
    axis.iter().copied().fold(0.0, larger).signum()
}

/// Adds the lower triangle of `x^T x`.
pub(super) fn add_gram(gram: &mut Mat<f64>, x: MatRef<'_, f64>) {
    triangular::matmul(
        gram.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Add,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        Par::rayon(0),
    );
}
