//! Products of codes in integers.
//!
//! The entries of tables, and queries, are rounded to few bits, of which one instruction takes many:
//!
//! 1. [`latents`]: entries of 8 bits, 64 at a time. For 8-bit codes and windows of up to 8 bits, where a machine has
//!    AVX-512 with VBMI and VNNI.
//! 2. [`nibbles`]: what a query adds for 4 bits of a row, for 32 rows at a time. For scalar codes, where a machine
//!    has AVX2 or NEON.
//! 3. [`look_ups`]: what a query adds for 12 bits of a row. For one or two queries of other bit codes.
//! 4. [`words`]: entries and queries of 16 bits. For more queries of bit codes, where a machine has AVX2: for up to 32,
//!    and for any number where it has no AVX-512.
//!
//! Their rounding is part of the bound on the error of keys, so that hits stay exact.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod fields;
mod groups;
mod latents;
mod look_ups;
#[cfg(target_arch = "aarch64")]
mod neon;
mod nibbles;
#[cfg(not(target_arch = "x86_64"))]
mod no_avx512;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod no_vectors;
mod packing;
mod padded;
mod scale;
mod tables;
#[cfg(test)]
mod tests;
mod vectors;
mod words;

use blocks::Lanes;
use latents::Latents;
use look_ups::LookUps;
use nibbles::Nibbles;
use padded::PaddedCodes;
use words::Words;

use crate::model::Model;
use crate::search::{PackedRows, ProductError, Projection, Rows};

/// Up to so many queries, products in integers are faster than products of `f32` matrices.
pub(super) const FEW_QUERIES: usize = 32;
/// AVX-512 multiplies bit codes faster with any number of queries, if a region has so many rows.
const MANY_ROWS: usize = 1024;

/// Up to so many queries, tables of what each adds are faster than to unpack rows.
const LOOKED_UP_QUERIES: usize = 2;

/// The queries of one region in integers, and how rows are multiplied with them.
pub(super) struct Integers(Kind);

enum Kind {
    Latents(Latents),
    Nibbles(Nibbles),
    LookUps(LookUps),
    Words(Words),
}

/// A thread's memory.
#[derive(Default)]
pub(super) struct Scratch {
    codes: PaddedCodes,
    nibbles: Vec<[u8; padded::ROWS]>,
    values: Vec<Lanes>,
    tables: look_ups::Memory,
    words: words::Memory,
}

impl Integers {
    /// None where products in `f32` are faster. The region has `rows` rows.
    pub(super) fn new(
        model: &Model,
        region: usize,
        queries: &Projection,
        rows: usize,
    ) -> Option<Self> {
        let (plan, is_few) = (model.plan(region), queries.count() <= FEW_QUERIES);
        let latents = || {
            let all = model.region(region).decoder.inputs;
            let latents = is_few || plan.is_some() && rows >= MANY_ROWS;
            latents.then(|| Latents::new(plan, all, queries, rows).map(Kind::Latents))?
        };
        let nibbles = || {
            let plan = plan.filter(|_| is_few)?;
            Nibbles::new(plan, queries, rows).map(Kind::Nibbles)
        };
        let look_ups = || {
            let plan = plan.filter(|_| queries.count() <= LOOKED_UP_QUERIES)?;
            LookUps::new(plan, queries, rows).map(Kind::LookUps)
        };
        let words = || Words::new(plan?, queries, is_few).map(Kind::Words);
        let any = || latents().or_else(nibbles).or_else(look_ups).or_else(words);
        (queries.count() > 0).then(any)?.map(Self)
    }

    /// Of each query, how far the product of a row may be off because of roundings to few bits.
    pub(super) fn errors(&self) -> impl Iterator<Item = ProductError> {
        let scales = match &self.0 {
            Kind::Latents(latents) => latents.scales(),
            Kind::Nibbles(nibbles) => nibbles.scales(),
            Kind::LookUps(look_ups) => look_ups.scales(),
            Kind::Words(words) => words.scales(),
        };
        scales.iter().map(|scale| scale.error)
    }

    /// Whether tables are made for each call of [`Self::products`].
    pub(super) fn has_tables(&self) -> bool {
        matches!(self.0, Kind::LookUps(_))
    }

    /// Writes the products of rows with each query, `[queries, rows]`.
    pub(super) fn products(
        &self,
        resident: PackedRows<'_>,
        rows: &Rows<'_>,
        scratch: &mut Scratch,
        products: &mut [f32],
    ) {
        let Scratch { codes, nibbles, values, tables, words } = scratch;
        match &self.0 {
            Kind::Latents(latents) => {
                latents.products(resident, rows, (codes, values), products);
            }
            Kind::Nibbles(all) => {
                codes.set(resident, rows, 0);
                all.products(codes, nibbles, products);
            }
            Kind::LookUps(look_ups) => {
                codes.set(resident, rows, look_ups::WORD_BYTES);
                look_ups.products(codes, tables, products);
            }
            Kind::Words(all) => all.products(resident, rows, words, products),
        }
    }
}
