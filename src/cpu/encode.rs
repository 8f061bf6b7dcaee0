//! Rows to latents to codes, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::block_rows;
use crate::bit_codes::BitPlan;
use crate::element::{Element, sealed::Sealed as _};
use crate::error::{Error, Result};
use crate::linear::linear;
use crate::model::{Activation, Model};
use crate::quantize::{normalize, quantize, to_unit};
use crate::rows::Rows;

/// Writes the codes `[rows, packed_size]` and scales `[rows]` of a batch. A model whose rows have no
/// scales leaves `scales` as it is.
pub(crate) fn encode<T: Element>(
    model: &Model,
    rows: &Rows<'_, T>,
    packed: &mut [u8],
    scales: &mut [f32],
) -> Result<()> {
    let config = model.config();
    let (row_bytes, latent_dim) = (config.packed_size(), config.latent_dim);
    let block = block_rows(rows.len(), model.config());
    packed
        .par_chunks_mut(block * row_bytes)
        .zip(scales.par_chunks_mut(block))
        .enumerate()
        .try_for_each_init(Scratch::default, |scratch, (index, (packed, scales))| {
            let mut latents = std::mem::take(&mut scratch.latents);
            latents.resize(scales.len() * latent_dim, 0.0);
            let first = index * block;
            let norms = if config.bytes().is_some() { Some(&mut *scales) } else { None };
            // A normalised latent has the codes of the latent itself and, with its norm folded in,
            // the scale too: the division is left out.
            project(model, rows, first, scratch, &mut latents, norms)?;
            match model.plan() {
                Some(plan) => encode_bits(plan, first, &latents, packed)?,
                None => pulp::Arch::new().dispatch(|| {
                    let codes = packed.chunks_exact_mut(row_bytes);
                    for ((codes, scale), z) in codes.zip(scales).zip(latents.chunks(latent_dim)) {
                        *scale = quantize(z, codes);
                    }
                }),
            }
            scratch.latents = latents;
            Ok(())
        })
}

/// Writes the latents `[rows, latent_dim]` of a batch, and fails on the first that leaves the range
/// of `f32`.
pub(crate) fn encode_latent(model: &Model, rows: &Rows<'_>, latents: &mut [f32]) -> Result<()> {
    let config = model.config();
    let block = block_rows(rows.len(), model.config());
    latents.par_chunks_mut(block * config.latent_dim).enumerate().try_for_each_init(
        Scratch::default,
        |scratch, (index, latents)| {
            project(model, rows, index * block, scratch, latents, None)?;
            if config.normalized_latent() {
                latents.chunks_exact_mut(config.latent_dim).for_each(normalize);
            }
            let overflows = |latent: &[f32]| !f32::all_finite(latent);
            match latents.chunks_exact(config.latent_dim).position(overflows) {
                Some(row) => Err(Error::Overflow { row: index * block + row }),
                None => Ok(()),
            }
        },
    )
}

/// The bit codes of a block of latents, if all of them are finite.
fn encode_bits(plan: &BitPlan, first: usize, latents: &[f32], packed: &mut [u8]) -> Result<()> {
    match latents.chunks_exact(plan.latents()).position(|z| !f32::all_finite(z)) {
        Some(row) => Err(Error::Overflow { row: first + row }),
        None => {
            plan.encode(latents, packed);
            Ok(())
        }
    }
}

/// Divides rows `[n, dim]` by their norms, which go to `norms` if they are wanted.
fn to_unit_rows(
    first: usize,
    dim: usize,
    rows: &mut [f32],
    mut norms: Option<&mut [f32]>,
) -> Result<()> {
    for (index, row) in rows.chunks_exact_mut(dim).enumerate() {
        let norm = to_unit(row);
        if !norm.is_finite() {
            return Err(Error::Overflow { row: first + index });
        }
        if let Some(norms) = &mut norms {
            norms[index] = norm;
        }
    }
    Ok(())
}

/// A thread's memory, used again for each of its blocks.
#[derive(Default)]
struct Scratch {
    rows: Vec<f32>,
    latents: Vec<f32>,
}

/// `max(We x + be, 0)`, without the `max` in a linear model, of the rows from `first` on that
/// `latents` has room for.
fn project<T: Element>(
    model: &Model,
    rows: &Rows<'_, T>,
    first: usize,
    scratch: &mut Scratch,
    latents: &mut [f32],
    norms: Option<&mut [f32]>,
) -> Result<()> {
    let (config, weights) = (model.config(), model.weights());
    let range = first..first + latents.len() / config.latent_dim;
    rows.check_finite(range.clone())?;
    let unit_rows = config.bytes().is_some() && config.has_row_scales();
    let x = match rows.contiguous(&range).and_then(T::as_f32) {
        Some(x) if !unit_rows => x,
        _ => {
            gather(rows, range, &mut scratch.rows);
            if unit_rows {
                to_unit_rows(first, config.dim, &mut scratch.rows, norms)?;
            }
            &scratch.rows
        }
    };
    linear(latents, x, &weights.encoder, weights.encoder_bias.as_deref(), config.dim);
    if config.activation() == Activation::Relu {
        // `z < 0` and not `max`, so that a NaN stays and is reported.
        latents.iter_mut().filter(|z| **z < 0.0).for_each(|z| *z = 0.0);
    }
    Ok(())
}

/// Some rows as `f32`, one after the other.
fn gather<T: Element>(rows: &Rows<'_, T>, range: Range<usize>, out: &mut Vec<f32>) {
    out.resize(range.len() * rows.dim(), 0.0);
    for (row, out) in range.zip(out.chunks_exact_mut(rows.dim())) {
        T::widen(rows.row(row), out);
    }
}
