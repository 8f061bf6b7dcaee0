//! Rows to latents to codes, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::block_rows;
use crate::element::{Element, sealed::Sealed as _};
use crate::error::{Error, Result, first_error};
use crate::mixture;
use crate::model::{Activation, Model, RegionLayers};
use crate::quantize::{normalize, quantize, to_unit};
use crate::rows::Rows;
use crate::simd::vectorized;

/// A thread's memory, used again for each of its blocks.
#[derive(Default)]
struct Scratch {
    rows: Vec<f32>,
    centered: Vec<f32>,
    latents: Vec<f32>,
    mixture: mixture::Scratch,
}

/// Writes the codes `[rows, packed_size]` and scales `[rows]` of a batch. A model whose rows have no
/// scales leaves `scales` as it is. The scale of a clipped row is negative, be it -0.
pub(crate) fn encode<T: Element>(
    model: &Model,
    rows: &Rows<'_, T>,
    packed: &mut [u8],
    scales: &mut [f32],
) -> Result<()> {
    let config = model.config();
    let row_bytes = config.packed_size();
    let block = block_rows(rows.len(), model);
    let blocks = packed.par_chunks_mut(block * row_bytes).zip(scales.par_chunks_mut(block));
    let encode = |scratch: &mut Scratch,
                  (index, (packed, scales)): (usize, (&mut [u8], &mut [f32]))| {
        let first = index * block;
        let range = first..first + scales.len();
        with_rows(model, rows, range, Some(scales), scratch, |x, scratch, scales| {
            let scales = scales.unwrap_or_default();
            match model.mixture() {
                None => encode_rows(model, first, x, scratch, packed, scales),
                Some(mixture) => mixture
                    .encode(x, &mut scratch.mixture, packed, |row| negate(&mut scales[row]))
                    .map_err(|row| Error::Overflow { row: first + row }),
            }
        })
    };
    first_error(blocks.enumerate().map_init(Scratch::default, encode))
}

/// Encodes rows of a model that has a linear layer each way.
fn encode_rows(
    model: &Model,
    first: usize,
    x: &[f32],
    scratch: &mut Scratch,
    packed: &mut [u8],
    scales: &mut [f32],
) -> Result<()> {
    let (region, row_bytes) = (model.region(0), model.config().packed_size());
    let latent_dim = region.encoder.outputs;
    scratch.latents.resize(x.len() / model.config().dim * latent_dim, 0.0);
    project(model, &region, x, &mut scratch.centered, &mut scratch.latents);
    let Some(plan) = region.plan else {
        // A normalised latent has the codes of the latent itself and, with its norm folded in, the
        // scale too: the division is left out.
        vectorized(
            #[inline(always)]
            || {
                let latents = scratch.latents.chunks_exact(latent_dim);
                for ((codes, scale), z) in
                    packed.chunks_exact_mut(row_bytes).zip(scales.iter_mut()).zip(latents)
                {
                    *scale = quantize(z, codes);
                }
            },
        );
        return Ok(());
    };
    if let Some(row) = overflow(&scratch.latents, latent_dim) {
        return Err(Error::Overflow { row: first + row });
    }
    plan.encode(&scratch.latents, packed);
    plan.clipped_rows(&scratch.latents).for_each(|row| negate(&mut scales[row]));
    Ok(())
}

fn negate(scale: &mut f32) {
    *scale = -*scale;
}

/// The first row of latents that is not finite.
fn overflow(latents: &[f32], latent_dim: usize) -> Option<usize> {
    latents.chunks_exact(latent_dim).position(|z| !f32::all_finite(z))
}

/// Writes the latents `[rows, latent_dim]` of a batch, in a model of one region, and fails on the first
/// that leaves the range of `f32`.
pub(crate) fn encode_latent(model: &Model, rows: &Rows<'_>, latents: &mut [f32]) -> Result<()> {
    let config = model.config();
    let (block, latent_dim) = (block_rows(rows.len(), model), config.latent_dim);
    let blocks = latents.par_chunks_mut(block * latent_dim);
    let encode = |scratch: &mut Scratch, (index, latents): (usize, &mut [f32])| {
        let first = index * block;
        let range = first..first + latents.len() / latent_dim;
        with_rows(model, rows, range, None, scratch, |x, scratch, _| {
            project(model, &model.region(0), x, &mut scratch.centered, latents);
            if config.normalized_latent() {
                latents.chunks_exact_mut(latent_dim).for_each(normalize);
            }
            match overflow(latents, latent_dim) {
                Some(row) => Err(Error::Overflow { row: first + row }),
                None => Ok(()),
            }
        })
    };
    first_error(blocks.enumerate().map_init(Scratch::default, encode))
}

/// Writes the latents `[rows, latent_dim]` and the regions `[rows]` of a batch, in a model of several
/// regions, and fails on the first row whose latents leave the range of `f32`.
pub(crate) fn encode_latent_with_regions(
    model: &Model,
    rows: &Rows<'_>,
    latents: &mut [f32],
    regions: &mut [u8],
) -> Result<()> {
    let Some(mixture) = model.mixture() else {
        return encode_latent(model, rows, latents);
    };
    let (block, latent_dim) = (block_rows(rows.len(), model), model.config().latent_dim);
    let blocks = latents.par_chunks_mut(block * latent_dim).zip(regions.par_chunks_mut(block));
    let encode = |scratch: &mut Scratch,
                  (index, (latents, regions)): (usize, (&mut [f32], &mut [u8]))| {
        let first = index * block;
        let range = first..first + regions.len();
        with_rows(model, rows, range, None, scratch, |x, scratch, _| {
            mixture
                .latents(x, &mut scratch.mixture, latents, regions)
                .map_err(|row| Error::Overflow { row: first + row })
        })
    };
    first_error(blocks.enumerate().map_init(Scratch::default, encode))
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

/// Calls `work` with some rows `[range, dim]`, checked, widened, and divided by their norms in a model
/// of bit codes that stores norms. The norms go to `scales`, which `work` gets as well.
fn with_rows<T: Element>(
    model: &Model,
    rows: &Rows<'_, T>,
    range: Range<usize>,
    mut scales: Option<&mut [f32]>,
    scratch: &mut Scratch,
    work: impl FnOnce(&[f32], &mut Scratch, Option<&mut [f32]>) -> Result<()>,
) -> Result<()> {
    let config = model.config();
    rows.check_finite(range.clone())?;
    let unit_rows = config.bytes().is_some() && config.has_row_scales();
    if !unit_rows && let Some(x) = rows.contiguous(&range).and_then(T::as_f32) {
        return work(x, scratch, scales);
    }
    let mut x = std::mem::take(&mut scratch.rows);
    let first = range.start;
    gather(rows, range, &mut x);
    let result = match unit_rows {
        true => to_unit_rows(first, config.dim, &mut x, scales.as_deref_mut()),
        false => Ok(()),
    };
    let result = result.and_then(|()| work(&x, scratch, scales));
    scratch.rows = x;
    result
}

/// `max(We (x - c) + be, 0)`, without the `max` in a linear model.
fn project(
    model: &Model,
    region: &RegionLayers<'_>,
    x: &[f32],
    centered: &mut Vec<f32>,
    latents: &mut [f32],
) {
    region.encode(x, centered, latents);
    if model.config().activation() == Activation::Relu {
        // `z < 0` and not `max`, so that a NaN stays and is reported.
        latents.iter_mut().filter(|z| **z < 0.0).for_each(|z| *z = 0.0);
    }
}

/// Some rows as `f32`, one after the other.
fn gather<T: Element>(rows: &Rows<'_, T>, range: Range<usize>, out: &mut Vec<f32>) {
    out.resize(range.len() * rows.dim(), 0.0);
    for (row, out) in range.zip(out.chunks_exact_mut(rows.dim())) {
        T::widen(rows.row(row), out);
    }
}
