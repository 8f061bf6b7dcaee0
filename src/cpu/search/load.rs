//! Codes made ready to be searched.

use std::ops::Range;

use rayon::prelude::*;

use crate::bit_codes::PaddedRow;
use crate::error::{Error, IndexError, Result};
use crate::linear::{Weights, linear_with, wide_dot};
use crate::memory;
use crate::model::{Model, RegionLayers};
use crate::quantize::{dequantize, wide_norm};
use crate::search::{Batch, Listing, Metric, Products, Reach, Records};
use crate::simd::vectorized;

/// Rows that a thread works on at a time.
const BLOCK_ROWS: usize = 256;

/// Lists the rows of codes by region, and computes what a metric needs of each row.
///
/// # Errors
/// More than 2^32 - 1 rows, a row that is too large for the metric, or too little memory.
pub(crate) fn load(model: &Model, metric: Metric, records: Records) -> Result<Batch> {
    let rows = records.row_count();
    if u32::try_from(rows).is_err() {
        let (what, available) = ("rows in one batch", u32::MAX.into());
        let remedy = "append the codes in several batches";
        return Err(Error::Limit { what, required: rows as u64, available, remedy });
    }
    memory::check::<[f32; 2]>("what the index needs of each row", &[rows])?;
    let regions = model.region_count();
    let mut batch = Batch {
        listing: Listing::all(rows as u32, regions, |row| records.region(model, row)),
        records,
        numbers: Vec::new(),
        reaches: vec![Reach::default(); regions],
    };
    if metric.has_numbers() {
        batch.numbers = memory::zeroed("the numbers of the index's rows", &[rows])?;
    }
    for region in 0..regions {
        let listed = batch.listing.region(region);
        if listed.is_empty() {
            continue;
        }
        let loader = Loader::new(model, metric, &batch, region);
        let blocks = listed.clone().into_par_iter().step_by(BLOCK_ROWS);
        let load = |scratch: &mut Scratch, first: usize| {
            loader.load(first..(first + BLOCK_ROWS).min(listed.end), scratch)
        };
        let blocks: Vec<Block> = blocks.map_init(Scratch::default, load).collect();
        for (first, block) in listed.clone().step_by(BLOCK_ROWS).zip(blocks) {
            for (at, number) in (first..).zip(block.numbers) {
                let row = batch.listing.row(at) as usize;
                if !number.is_finite() {
                    let metric = metric.as_str();
                    return Err(Error::Index(IndexError::LargeRow { row, metric }));
                }
                batch.numbers[row] = number;
            }
            batch.reaches[region] = batch.reaches[region].max(block.reach);
        }
    }
    Ok(batch)
}

/// What some rows of a region have.
struct Block {
    /// The rows' numbers; empty where the metric needs none.
    numbers: Vec<f32>,
    reach: Reach,
}

/// A thread's memory, used again for each of its blocks.
#[derive(Default)]
struct Scratch {
    padded: PaddedRow,
    /// `[rows, latents]`
    latents: Vec<f32>,
    /// `[rows, dim]`: rows without their centroid, where latents do not do.
    remainders: Vec<f32>,
}

/// What computes the numbers of a region's rows.
struct Loader<'a> {
    batch: &'a Batch,
    layers: RegionLayers<'a>,
    metric: Metric,
    /// The squared norm of the centroid.
    center: f64,
    /// `D^T c`, where the columns of the decoder `D` are orthonormal. A row's products then come from its latents `z`
    /// alone, for a `dim`-th of the work: `r . r = z . z` and `c . r = (D^T c) . z`, since `r = D z`.
    center_latents: Option<Vec<f64>>,
    /// Whether rows had norm 1 before they were encoded, up to the norms that are stored.
    is_known: bool,
}

impl<'a> Loader<'a> {
    fn new(model: &'a Model, metric: Metric, batch: &'a Batch, region: usize) -> Self {
        let layers = model.region(region);
        let center = layers.decoder.bias.map_or(0.0, |center| wide_dot(center, center));
        let by_latents = metric.has_numbers() && model.has_orthonormal_decoder(region);
        let center_latents = by_latents.then(|| {
            let centroid = layers.decoder.bias.unwrap_or_default();
            let columns = layers.decoder.by_input();
            columns.chunks_exact(layers.decoder.outputs).map(|d| wide_dot(centroid, d)).collect()
        });
        let is_known = model.codes_rows_of_norm_one();
        Self { batch, layers, metric, center, center_latents, is_known }
    }

    /// Loads the rows at these positions of the listing.
    fn load(&self, positions: Range<usize>, scratch: &mut Scratch) -> Block {
        let Scratch { padded, latents, remainders } = scratch;
        let decoder = self.layers.decoder;
        let (listing, count) = (&self.batch.listing, decoder.inputs);
        latents.resize(positions.len() * count, 0.0);
        vectorized(
            #[inline(always)]
            || {
                for (at, z) in positions.clone().zip(latents.chunks_exact_mut(count)) {
                    self.set_latents(listing.row(at), padded, z);
                }
            },
        );
        let mut block = Block { numbers: Vec::new(), reach: Reach::default() };
        let rows = positions.clone().map(|at| listing.row(at));
        match &self.center_latents {
            _ if !self.metric.has_numbers() => {}
            Some(center) => {
                let rows = rows.zip(latents.chunks_exact(count));
                block.numbers.extend(rows.map(|(row, z)| self.number(row, z, center)));
            }
            None => {
                remainders.resize(positions.len() * decoder.outputs, 0.0);
                let weights = Weights { values: decoder.weights, transposed: decoder.transposed };
                linear_with(remainders, latents, weights, None, count);
                let center = decoder.bias.unwrap_or_default();
                let rows = rows.zip(remainders.chunks_exact(decoder.outputs));
                block.numbers.extend(rows.map(|(row, rest)| self.number(row, rest, center)));
            }
        }
        for (index, z) in latents.chunks_exact(count).enumerate() {
            let row = listing.row(positions.start + index);
            let number = block.numbers.get(index).copied().unwrap_or(0.0);
            // The latents have the scale of 8-bit codes already.
            let terms = self.metric.terms(self.batch.norm_and_scale(row).0, 1.0, number);
            block.reach.include(terms, wide_norm(z) as f32);
        }
        block
    }

    /// Writes a row's latents.
    #[inline(always)]
    fn set_latents(&self, row: u32, padded: &mut PaddedRow, z: &mut [f32]) {
        let packed = self.batch.packed(row);
        match self.layers.plan {
            Some(plan) => plan.decode(packed, padded, z),
            None => dequantize(packed, self.batch.norm_and_scale(row).1, z),
        }
    }

    /// The number of a row, whose rest without the centroid is given with the centroid: both as values or both as
    /// latents. A model without biases has no centroid.
    #[inline(always)]
    fn number<T: Copy + Into<f64>>(&self, row: u32, rest: &[f32], center: &[T]) -> f32 {
        let (cross, rest) = (wide_dot(center, rest), wide_dot(rest, rest));
        let products = Products { center: self.center, cross, rest };
        let norm = f64::from(self.batch.norm_and_scale(row).0);
        self.metric.number(products, norm, self.is_known) as f32
    }
}
