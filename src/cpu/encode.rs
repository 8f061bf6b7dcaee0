//! Rows to latents to codes, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::block_rows;
use crate::bit_codes::BitPlan;
use crate::error::{Error, Result};
use crate::linear::linear;
use crate::model::{Activation, Model};
use crate::quantize::{normalize, quantize, to_unit};
use crate::rows::{Rows, all_finite};

/// Writes the codes `[rows, packed_size]` and scales `[rows]` of a batch. A model whose rows keep
/// no scale leaves the scales as they are.
pub(crate) fn encode(
    model: &Model,
    rows: &Rows<'_>,
    packed: &mut [u8],
    scales: &mut [f32],
) -> Result<()> {
    let config = model.config();
    let (row_bytes, latent_dim) = (config.packed_size(), config.latent_dim);
    let block = block_rows(rows.len());
    packed
        .par_chunks_mut(block * row_bytes)
        .zip(scales.par_chunks_mut(block))
        .enumerate()
        .try_for_each_init(Scratch::default, |scratch, (index, (packed, scales))| {
            let Scratch { rows: gathered, latents } = scratch;
            latents.resize(scales.len() * latent_dim, 0.0);
            let first = index * block;
            let norms = if config.bytes().is_some() { Some(&mut *scales) } else { None };
            // A normalised latent has the codes and, with its norm folded in, the scale of the
            // latent itself, so the division is left out.
            project(model, rows, first, gathered, latents, norms)?;
            if let Some(plan) = model.plan() {
                return encode_bits(plan, first, latents, packed);
            }
            pulp::Arch::new().dispatch(|| {
                let codes = packed.chunks_exact_mut(row_bytes);
                for ((codes, scale), z) in codes.zip(scales).zip(latents.chunks(latent_dim)) {
                    *scale = quantize(z, codes);
                }
            });
            Ok(())
        })
}

/// Writes the latents `[rows, latent_dim]` of a batch.
pub(crate) fn encode_latent(model: &Model, rows: &Rows<'_>, latents: &mut [f32]) -> Result<()> {
    let config = model.config();
    let block = block_rows(rows.len());
    latents.par_chunks_mut(block * config.latent_dim).enumerate().try_for_each_init(
        Vec::new,
        |gathered, (index, latents)| {
            project(model, rows, index * block, gathered, latents, None)?;
            if config.normalized_latent() {
                latents.chunks_exact_mut(config.latent_dim).for_each(normalize);
            }
            Ok(())
        },
    )
}

/// The bit codes of a block of latents, if all of them are finite.
fn encode_bits(
    plan: &BitPlan,
    first: usize,
    latents: &[f32],
    packed_rows: &mut [u8],
) -> Result<()> {
    match latents.chunks_exact(plan.latents()).position(|z| !all_finite(z)) {
        Some(row) => Err(Error::Overflow { row: first + row }),
        None => {
            plan.encode(latents, packed_rows);
            Ok(())
        }
    }
}

/// Rows divided by their norms, and the norms if they are wanted.
fn gather_unit_rows(
    rows: &Rows<'_>,
    range: Range<usize>,
    gathered: &mut Vec<f32>,
    mut norms: Option<&mut [f32]>,
) -> Result<()> {
    gathered.clear();
    for (index, row) in range.enumerate() {
        let start = gathered.len();
        gathered.extend_from_slice(rows.row(row));
        let norm = to_unit(&mut gathered[start..]);
        if !norm.is_finite() {
            return Err(Error::Overflow { row });
        }
        if let Some(norms) = &mut norms {
            norms[index] = norm;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Scratch {
    rows: Vec<f32>,
    latents: Vec<f32>,
}

/// `max(We x + be, 0)`, without the `max` in a linear model, of the rows from `first` on that
/// `latents` has room for.
fn project(
    model: &Model,
    rows: &Rows<'_>,
    first: usize,
    gathered: &mut Vec<f32>,
    latents: &mut [f32],
    norms: Option<&mut [f32]>,
) -> Result<()> {
    let (config, weights) = (model.config(), model.weights());
    let range = first..first + latents.len() / config.latent_dim;
    rows.check_finite(range.clone())?;
    let x = match rows.contiguous(&range) {
        _ if config.bytes().is_some() && config.has_row_scales() => {
            gather_unit_rows(rows, range, gathered, norms)?;
            gathered
        }
        Some(x) => x,
        None => {
            gathered.clear();
            range.for_each(|row| gathered.extend_from_slice(rows.row(row)));
            gathered
        }
    };
    linear(latents, x, &weights.encoder, weights.encoder_bias.as_deref(), config.dim);
    if config.activation() == Activation::Relu {
        // `z < 0` and not `max`, so that a NaN is kept and reported.
        latents.iter_mut().filter(|z| **z < 0.0).for_each(|z| *z = 0.0);
    }
    Ok(())
}
