//! Codes or latents to rows, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::block_rows;
use crate::codes::Codes;
use crate::element::Element;
use crate::error::Result;
use crate::linear::linear;
use crate::model::Model;
use crate::quantize::dequantize;
use crate::rows::Rows;

/// Writes the decoded rows `[range, dim]` of a batch.
pub(crate) fn decode<T: Element>(model: &Model, codes: &Codes, range: Range<usize>, out: &mut [T]) {
    let block = block_rows(range.len(), model.config());
    out.par_chunks_mut(block * model.config().dim).enumerate().for_each_init(
        || (Vec::new(), Vec::new()),
        |(latents, rows), (index, out)| {
            let first = range.start + index * block;
            match T::as_f32_mut(out) {
                Some(out) => decode_block(model, codes, first, latents, out),
                None => {
                    rows.resize(out.len(), 0.0);
                    decode_block(model, codes, first, latents, rows);
                    T::round(rows, out);
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
    latents: &mut Vec<f32>,
    out: &mut [f32],
) {
    let config = model.config();
    let (row_bytes, latent_dim) = (config.packed_size(), config.latent_dim);
    let rows = first..first + out.len() / config.dim;
    latents.resize(rows.len() * latent_dim, 0.0);
    let packed = &codes.as_bytes()[rows.start * row_bytes..rows.end * row_bytes];
    pulp::Arch::new().dispatch(|| {
        let latents = latents.chunks_exact_mut(latent_dim);
        for ((row, packed), z) in rows.clone().zip(packed.chunks_exact(row_bytes)).zip(latents) {
            match model.plan() {
                None => dequantize(packed, codes.scale(row), z),
                Some(plan) => plan.decode(packed, z),
            }
        }
    });
    project(model, latents, out);
    if model.plan().is_some() && codes.scales() != [1.0] {
        for (row, out) in rows.zip(out.chunks_exact_mut(config.dim)) {
            let scale = codes.scale(row);
            out.iter_mut().for_each(|v| *v *= scale);
        }
    }
}

/// Writes the rows `[rows, dim]` that latents decode to.
pub(crate) fn decode_latent(model: &Model, latents: &Rows<'_>, out: &mut [f32]) -> Result<()> {
    let dim = model.config().dim;
    let block = block_rows(latents.len(), model.config());
    out.par_chunks_mut(block * dim).enumerate().try_for_each(|(index, out)| {
        let range = index * block..index * block + out.len() / dim;
        latents.check_finite(range.clone())?;
        match latents.contiguous(&range) {
            Some(z) => project(model, z, out),
            None => range
                .zip(out.chunks_exact_mut(dim))
                .for_each(|(row, out)| project(model, latents.row(row), out)),
        }
        Ok(())
    })
}

/// `Wd z + bd`
fn project(model: &Model, latents: &[f32], out: &mut [f32]) {
    let (config, weights) = (model.config(), model.weights());
    linear(out, latents, &weights.decoder, weights.decoder_bias.as_deref(), config.latent_dim);
}
