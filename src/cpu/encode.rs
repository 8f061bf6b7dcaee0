//! Rows to latents to codes, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::block_rows;
use crate::element::{Element, sealed::Sealed as _};
use crate::error::{Error, Result};
use crate::mixture::{self, Groups, Mixture};
use crate::model::{Activation, Model, RegionLayers};
use crate::quantize::{normalize, quantize, to_unit};
use crate::rows::Rows;

/// A thread's memory, used again for each of its blocks.
#[derive(Default)]
struct Scratch {
    rows: Vec<f32>,
    latents: Vec<f32>,
    regions: Vec<u8>,
    groups: Groups,
    assignment: mixture::Scratch,
    /// Rows and codes of a region.
    centered: Vec<f32>,
    packed: Vec<u8>,
}

/// Writes the codes `[rows, packed_size]` and scales `[rows]` of a batch. A model whose rows have no
/// scales leaves `scales` as it is.
pub(crate) fn encode<T: Element>(
    model: &Model,
    rows: &Rows<'_, T>,
    packed: &mut [u8],
    scales: &mut [f32],
) -> Result<()> {
    let config = model.config();
    let row_bytes = config.packed_size();
    let block = block_rows(rows.len(), model);
    packed
        .par_chunks_mut(block * row_bytes)
        .zip(scales.par_chunks_mut(block))
        .enumerate()
        .try_for_each_init(Scratch::default, |scratch, (index, (packed, scales))| {
            let first = index * block;
            let range = first..first + scales.len();
            with_rows(model, rows, range, Some(scales), scratch, |x, scratch, scales| {
                match model.mixture().filter(|mixture| mixture.regions().len() > 1) {
                    None => {
                        encode_rows(model, first, x, scratch, packed, scales.unwrap_or_default())
                    }
                    Some(mixture) => encode_regions(model, mixture, first, x, scratch, packed),
                }
            })
        })
}

/// Encodes rows of a model of one region.
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
        pulp::Arch::new().dispatch(|| {
            let latents = scratch.latents.chunks_exact(latent_dim);
            for ((codes, scale), z) in packed.chunks_exact_mut(row_bytes).zip(scales).zip(latents) {
                *scale = quantize(z, codes);
            }
        });
        return Ok(());
    };
    if let Some(row) = overflow(&scratch.latents, latent_dim) {
        return Err(Error::Overflow { row: first + row });
    }
    plan.encode(&scratch.latents, packed);
    Ok(())
}

/// Encodes rows of a model of several regions, region by region. Fails if a latent leaves the range of
/// `f32`.
fn encode_regions(
    model: &Model,
    mixture: &Mixture,
    first: usize,
    x: &[f32],
    scratch: &mut Scratch,
    packed: &mut [u8],
) -> Result<()> {
    let (dim, row_bytes) = (model.config().dim, model.config().packed_size());
    scratch.regions.resize(x.len() / dim, 0);
    mixture.assign(x, &mut scratch.assignment, &mut scratch.regions);
    scratch.groups.sort(&scratch.regions, mixture.regions().len());
    let mut bad_row: Option<u32> = None;
    for (number, group) in scratch.groups.iter() {
        let region = &mixture.regions()[number];
        scratch.centered.resize(group.len() * dim, 0.0);
        for (row, out) in group.iter().zip(scratch.centered.chunks_exact_mut(dim)) {
            subtract(&x[*row as usize * dim..][..dim], &region.centroid, out);
        }
        let latents = region.plan.latents();
        scratch.latents.resize(group.len() * latents, 0.0);
        model.region(number).encoder.apply(&scratch.centered, &mut scratch.latents);
        if let Some(at) = overflow(&scratch.latents, latents) {
            bad_row = Some(bad_row.unwrap_or(u32::MAX).min(group[at]));
            continue;
        }
        scratch.packed.resize(group.len() * row_bytes, 0);
        region.plan.encode(&scratch.latents, &mut scratch.packed);
        for (row, codes) in group.iter().zip(scratch.packed.chunks_exact(row_bytes)) {
            let packed = &mut packed[*row as usize * row_bytes..][..row_bytes];
            packed.copy_from_slice(codes);
            // The region's number is the first bits of the row, which the codes leave zero.
            packed[0] |= number as u8;
        }
    }
    match bad_row {
        Some(row) => Err(Error::Overflow { row: first + row as usize }),
        None => Ok(()),
    }
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
    latents.par_chunks_mut(block * latent_dim).enumerate().try_for_each_init(
        Scratch::default,
        |scratch, (index, latents)| {
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
        },
    )
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
    let dim = model.config().dim;
    let x = match region.centroid {
        None => x,
        Some(centroid) => {
            centered.resize(x.len(), 0.0);
            let rows = x.chunks_exact(dim).zip(centered.chunks_exact_mut(dim));
            rows.for_each(|(x, out)| subtract(x, centroid, out));
            centered.as_slice()
        }
    };
    region.encoder.apply(x, latents);
    if model.config().activation() == Activation::Relu {
        // `z < 0` and not `max`, so that a NaN stays and is reported.
        latents.iter_mut().filter(|z| **z < 0.0).for_each(|z| *z = 0.0);
    }
}

fn subtract(x: &[f32], centroid: &[f32], out: &mut [f32]) {
    out.iter_mut().zip(x.iter().zip(centroid)).for_each(|(out, (x, c))| *out = x - c);
}

/// Some rows as `f32`, one after the other.
fn gather<T: Element>(rows: &Rows<'_, T>, range: Range<usize>, out: &mut Vec<f32>) {
    out.resize(range.len() * rows.dim(), 0.0);
    for (row, out) in range.zip(out.chunks_exact_mut(rows.dim())) {
        T::widen(rows.row(row), out);
    }
}
