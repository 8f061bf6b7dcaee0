//! Codes or latents to rows, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::block_rows;
use crate::codes::Codes;
use crate::element::Element;
use crate::error::Result;
use crate::mixture::{Groups, region_of};
use crate::model::{Model, RegionLayers};
use crate::quantize::dequantize;
use crate::rows::Rows;

/// A thread's memory, used again for each of its blocks.
#[derive(Default)]
struct Scratch {
    /// Rows of a block, before they are rounded.
    rows: Vec<f32>,
    latents: Vec<f32>,
    /// The regions of a block, and the decoded rows of one of them.
    regions: Vec<u8>,
    groups: Groups,
    decoded: Vec<f32>,
}

/// Writes the decoded rows `[range, dim]` of a batch.
pub(crate) fn decode<T: Element>(model: &Model, codes: &Codes, range: Range<usize>, out: &mut [T]) {
    let block = block_rows(range.len(), model);
    out.par_chunks_mut(block * model.config().dim).enumerate().for_each_init(
        Scratch::default,
        |scratch, (index, out)| {
            let first = range.start + index * block;
            match T::as_f32_mut(out) {
                Some(out) => decode_block(model, codes, first, scratch, out),
                None => {
                    let mut rows = std::mem::take(&mut scratch.rows);
                    rows.resize(out.len(), 0.0);
                    decode_block(model, codes, first, scratch, &mut rows);
                    T::round(&rows, out);
                    scratch.rows = rows;
                }
            }
        },
    );
}

/// Decodes the rows from `first` on that `out` has room for, on this thread.
fn decode_block(
    model: &Model,
    codes: &Codes,
    first: usize,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let config = model.config();
    let (row_bytes, count) = (config.packed_size(), model.region_count());
    let rows = first..first + out.len() / config.dim;
    let packed = &codes.as_bytes()[rows.start * row_bytes..rows.end * row_bytes];
    let packed_row = |row: usize| &packed[row * row_bytes..][..row_bytes];
    if count == 1 {
        let region = model.region(0);
        latents_of(&region, (0..rows.len()).map(|row| (first + row, packed_row(row))), codes, {
            scratch.latents.resize(rows.len() * region.decoder.inputs, 0.0);
            &mut scratch.latents
        });
        region.decoder.apply(&scratch.latents, out);
    } else {
        scratch.regions.clear();
        let regions = packed.chunks_exact(row_bytes).map(|packed| region_of(packed, count) as u8);
        scratch.regions.extend(regions);
        scratch.groups.sort(&scratch.regions, count);
        for (number, group) in scratch.groups.iter() {
            let region = model.region(number);
            let of_group =
                group.iter().map(|row| (first + *row as usize, packed_row(*row as usize)));
            latents_of(&region, of_group, codes, {
                scratch.latents.resize(group.len() * region.decoder.inputs, 0.0);
                &mut scratch.latents
            });
            scratch.decoded.resize(group.len() * config.dim, 0.0);
            region.decoder.apply(&scratch.latents, &mut scratch.decoded);
            for (row, decoded) in group.iter().zip(scratch.decoded.chunks_exact(config.dim)) {
                out[*row as usize * config.dim..][..config.dim].copy_from_slice(decoded);
            }
        }
    }
    if config.bytes().is_some() && codes.scales() != [1.0] {
        for (row, out) in rows.zip(out.chunks_exact_mut(config.dim)) {
            let scale = codes.scale(row);
            out.iter_mut().for_each(|v| *v *= scale);
        }
    }
}

/// Writes the latents of some rows of a region, given by their number and their packed codes.
fn latents_of<'a>(
    region: &RegionLayers<'_>,
    rows: impl Iterator<Item = (usize, &'a [u8])>,
    codes: &Codes,
    latents: &mut [f32],
) {
    let latents = latents.chunks_exact_mut(region.decoder.inputs);
    pulp::Arch::new().dispatch(|| {
        for ((row, packed), z) in rows.zip(latents) {
            match region.plan {
                None => dequantize(packed, codes.scale(row), z),
                Some(plan) => plan.decode(packed, z),
            }
        }
    });
}

/// Writes the rows `[rows, dim]` that latents decode to, in a model of one region.
pub(crate) fn decode_latent(model: &Model, latents: &Rows<'_>, out: &mut [f32]) -> Result<()> {
    let (dim, decoder) = (model.config().dim, model.region(0).decoder);
    let block = block_rows(latents.len(), model);
    out.par_chunks_mut(block * dim).enumerate().try_for_each(|(index, out)| {
        let range = index * block..index * block + out.len() / dim;
        latents.check_finite(range.clone())?;
        match latents.contiguous(&range) {
            Some(z) => decoder.apply(z, out),
            None => range
                .zip(out.chunks_exact_mut(dim))
                .for_each(|(row, out)| decoder.apply(latents.row(row), out)),
        }
        Ok(())
    })
}
