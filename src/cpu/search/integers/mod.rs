//! Products of bit codes in integers.
//!
//! The entries of tables, and queries, are rounded to few bits, of which one instruction takes many:
//!
//! 1. [`latents`]: entries of 8 bits, 64 at a time. For windows of up to 8 bits, where a machine has AVX-512 with
//!    VBMI and VNNI.
//! 2. [`nibbles`]: what a query adds for 4 bits of a row, for 32 rows at a time. For scalar codes, where a machine
//!    has AVX2 or NEON.
//!
//! Their rounding is part of the bound on the error of keys, so that hits stay exact.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod groups;
mod latents;
#[cfg(target_arch = "aarch64")]
mod neon;
mod nibbles;
#[cfg(not(target_arch = "x86_64"))]
mod no_avx512;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod no_vectors;
mod padded;
mod scale;
#[cfg(test)]
mod tests;
mod vectors;

use blocks::Lanes;
use latents::Latents;
use nibbles::Nibbles;
use padded::PaddedCodes;

use crate::model::Model;
use crate::search::{PackedRows, Projection, Rows};

/// Queries up to which products of matrices are slower on all machines.
const MOST_QUERIES: usize = 32;

/// The queries of one region in integers, and how rows are multiplied with them.
pub(super) struct Integers {
    kind: Kind,
}

enum Kind {
    Latents(Latents),
    Nibbles(Nibbles),
}

/// A thread's memory.
#[derive(Default)]
pub(super) struct Scratch {
    codes: PaddedCodes,
    nibbles: Vec<[u8; padded::ROWS]>,
    values: Vec<Lanes>,
}

impl Integers {
    /// None where products in `f32` are faster. The regions have `rows` rows together.
    pub(super) fn new(
        model: &Model,
        region: usize,
        queries: &Projection,
        rows: usize,
    ) -> Option<Self> {
        if !(1..=MOST_QUERIES).contains(&queries.count()) {
            return None;
        }
        let plan = model.plan(region)?;
        let rows = rows / model.region_count();
        let latents = || Latents::new(plan, queries, rows).map(Kind::Latents);
        let nibbles = || Nibbles::new(plan, queries, rows).map(Kind::Nibbles);
        let kind = latents().or_else(nibbles)?;
        Some(Self { kind })
    }

    /// Of each query, how far the product of a row may be off because of roundings to few bits.
    pub(super) fn errors(&self) -> impl Iterator<Item = f32> {
        let scales = match &self.kind {
            Kind::Latents(latents) => latents.scales(),
            Kind::Nibbles(nibbles) => nibbles.scales(),
        };
        scales.iter().map(|scale| scale.error)
    }

    /// Writes the products of rows with each query, `[queries, rows]`.
    pub(super) fn products(
        &self,
        resident: PackedRows<'_>,
        rows: &Rows<'_>,
        scratch: &mut Scratch,
        products: &mut [f32],
    ) {
        let Scratch { codes, nibbles, values } = scratch;
        match &self.kind {
            Kind::Latents(latents) => {
                codes.set(resident, rows, latents::PADDING);
                latents.products(codes, values, products);
            }
            Kind::Nibbles(tables) => {
                codes.set(resident, rows, 0);
                tables.products(codes, nibbles, products);
            }
        }
    }
}
