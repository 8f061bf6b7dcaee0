//! Codes or latents to rows, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::block_rows;
use crate::bit_codes::PaddedRow;
use crate::codes::Codes;
use crate::element::Element;
use crate::error::{Result, first_error};
use crate::mixture;
use crate::model::{Model, RegionLayers};
use crate::quantize::dequantize;
use crate::rows::Rows;
use crate::simd::vectorized;

/// A thread's memory, used again for each of its blocks.
#[derive(Default)]
struct Scratch {
    /// Rows of a block, before they are rounded.
    rows: Vec<f32>,
    latents: Vec<f32>,
    mixture: mixture::Scratch,
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
    let (config, row_bytes) = (model.config(), model.config().packed_size());
    let rows = first..first + out.len() / config.dim;
    let packed = &codes.as_bytes()[rows.start * row_bytes..rows.end * row_bytes];
    match model.mixture() {
        Some(mixture) => mixture.decode(packed, &mut scratch.mixture, out),
        None => {
            let (region, latents) = (model.region(0), &mut scratch.latents);
            latents.resize(rows.len() * region.decoder.inputs, 0.0);
            set_latents(&region, codes, rows.clone(), packed, latents);
            region.decoder.apply(latents, out);
        }
    }
    if config.bytes().is_some() && codes.scales() != [1.0] {
        for (row, out) in rows.zip(out.chunks_exact_mut(config.dim)) {
            let scale = codes.scale(row);
            out.iter_mut().for_each(|v| *v *= scale);
        }
    }
}

/// Writes the latents of some rows, in a model that has a linear layer each way.
fn set_latents(
    region: &RegionLayers<'_>,
    codes: &Codes,
    rows: Range<usize>,
    packed: &[u8],
    latents: &mut [f32],
) {
    let mut padded = PaddedRow::default();
    vectorized(
        #[inline(always)]
        || {
            let packed = packed.chunks_exact(packed.len() / rows.len());
            let latents = latents.chunks_exact_mut(region.decoder.inputs);
            for ((row, packed), z) in rows.clone().zip(packed).zip(latents) {
                match region.plan {
                    None => dequantize(packed, codes.scale(row), z),
                    Some(plan) => plan.decode(packed, &mut padded, z),
                }
            }
        },
    );
}

/// Writes the rows `[rows, dim]` that latents of regions decode to. Regions may be left out in a model
/// of one region.
pub(crate) fn decode_latent(
    model: &Model,
    latents: &Rows<'_>,
    regions: &[u8],
    out: &mut [f32],
) -> Result<()> {
    let (dim, decoder) = (model.config().dim, model.region(0).decoder);
    let several = model.mixture().filter(|mixture| mixture.regions().len() > 1);
    let block = block_rows(latents.len(), model);
    let decode = |scratch: &mut mixture::Scratch, (index, out): (usize, &mut [f32])| {
        let range = index * block..index * block + out.len() / dim;
        latents.check_finite(range.clone())?;
        match (several, latents.contiguous(&range)) {
            (Some(mixture), _) => {
                let latents_of = |row| latents.row(range.start + row);
                mixture.decode_latents(&regions[range.clone()], latents_of, scratch, out);
            }
            (None, Some(z)) => decoder.apply(z, out),
            (None, None) => range
                .zip(out.chunks_exact_mut(dim))
                .for_each(|(row, out)| decoder.apply(latents.row(row), out)),
        }
        Ok(())
    };
    let blocks = out.par_chunks_mut(block * dim).enumerate();
    first_error(blocks.map_init(mixture::Scratch::default, decode))
}
