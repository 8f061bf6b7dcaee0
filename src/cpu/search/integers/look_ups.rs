//! Tables of what a query adds for some bits of a row.
//!
//! Neighbouring windows of a trellis share most of their bits. One look-up gives what the latents of several windows
//! add together:
//!
//! ```text
//! group g  = neighbouring latents whose windows lie in 12 bits of a row, from bit start[g] on
//! table[g] = what the latents of g add, for each value of the 12 bits
//!
//! for each query, for each four groups that lie in eight bytes of a row:
//!     make their tables
//!     for each row of a tile:
//!         word      = the eight bytes
//!         sum[row] += table[g][word >> shift[g] & 4095]         for the four groups
//! ```
//!
//! 1. Four tables take 32 KiB of the first cache. They are made for each tile and need no other memory, however many
//!    regions there are: `tables.rs`. A tile has up to 8,192 rows, so that this takes about a tenth of the time.
//! 2. A look-up takes three instructions, and a row of 64 bytes has about 90 of them. Vectors are no faster: AVX2
//!    looks up 16 entries an instruction, and a window has 256.
//! 3. The least that a latent may add is part of the query's offset. So sums are not negative, and have 16 bits, with
//!    the step that divides the range of a query's products by almost 65,536.

use std::sync::Arc;

use super::groups::{Group, groups};
use super::padded::PaddedCodes;
use super::scale::Scale;
use super::tables::{ENTRIES, SPAN, Scratch, Weight, make};
use crate::bit_codes::{BitPlan, LatentWindow, Tables};
use crate::search::Projection;
use crate::simd::vectorized;

/// Rows of a region from which on tables repay their making.
const LEAST_ROWS: usize = 256;
/// The largest sum of a row's entries.
const LARGEST_SUM: f64 = 65535.0;
/// Latents of a row, at most: each may be rounded up.
const MAX_LATENTS: usize = 1 << 14;
/// Tables that are looked up together.
const TABLES: usize = 4;
/// Bytes of a row that are read together.
pub(super) const WORD_BYTES: usize = 8;

/// A thread's memory.
#[derive(Default)]
pub(super) struct Memory {
    tables: Option<Box<[[u16; ENTRIES]; TABLES]>>,
    scratch: Scratch,
    sums: Vec<u16>,
}

/// Some queries, and how rows are looked up.
pub(super) struct LookUps {
    tables: Arc<Tables>,
    fours: Vec<Four>,
    /// `[queries, latents]`
    weights: Vec<Weight>,
    /// By query.
    scales: Vec<Scale>,
}

/// Groups that lie in eight bytes of a row.
struct Four {
    byte: usize,
    groups: Vec<Group>,
}

impl LookUps {
    /// None where a window has more bits than tables, or where rows are few.
    pub(super) fn new(plan: &BitPlan, queries: &Projection, rows: usize) -> Option<Self> {
        let is_wide = plan.latent_windows().any(|window| window.bits + window.missing > SPAN);
        if rows < LEAST_ROWS || plan.latents() > MAX_LATENTS || is_wide {
            return None;
        }
        let mut fours: Vec<Four> = Vec::new();
        for group in groups(plan, |start, end| end - start <= SPAN) {
            match fours.last_mut().filter(|four| four.has_room(&group)) {
                Some(four) => four.groups.push(group),
                None => fours.push(Four { byte: (group.start / 8) as usize, groups: vec![group] }),
            }
        }
        let (tables, weights, scales) = (Arc::clone(plan.tables()), Vec::new(), Vec::new());
        let mut all = Self { tables, fours, weights, scales };
        let ranges: Vec<(f64, f64)> =
            plan.latent_windows().map(|window| range(plan, window)).collect();
        (0..queries.count()).try_for_each(|query| all.push(queries.query(query), &ranges))?;
        Some(all)
    }

    /// Adds a query, given the least and the largest entry of each latent. None where a weight leaves the range of
    /// `f32`.
    fn push(&mut self, query: &[f32], ranges: &[(f64, f64)]) -> Option<()> {
        let (mut range, mut offset, mut magnitude) = (0.0, 0.0, 0.0);
        let terms = || query.iter().map(|q| f64::from(*q)).zip(ranges);
        for (q, (least, largest)) in terms() {
            range += q.abs() * (largest - least);
            offset += (q * least).min(q * largest);
            magnitude += q.abs() * least.abs().max(largest.abs());
        }
        let latents = ranges.len() as f64;
        // What a latent adds is off by half a step, and that of all by what `f32` rounds the range by.
        let steps = 0.5 * latents + 1.0;
        let scale = Scale::new(range, LARGEST_SUM - latents, steps, 0.0, offset, magnitude);
        for (q, (least, largest)) in terms() {
            let weight = match least == largest {
                true => 0.0,
                false => (q / f64::from(scale.step)) as f32,
            };
            let zero = if q < 0.0 { largest } else { least };
            self.weights.push(Weight { weight, zero: *zero as f32 });
            weight.is_finite().then_some(())?;
        }
        self.scales.push(scale);
        Some(())
    }

    pub(super) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// Writes the products of rows, which have eight bytes behind each.
    pub(super) fn products(&self, codes: &PaddedCodes, memory: &mut Memory, products: &mut [f32]) {
        let rows = products.len() / self.scales.len();
        let latents = self.weights.len() / self.scales.len();
        let queries = self.weights.chunks_exact(latents).zip(&self.scales);
        for (products, (weights, scale)) in products.chunks_exact_mut(rows).zip(queries) {
            let Memory { tables, scratch, sums } = &mut *memory;
            let tables = tables.get_or_insert_with(bytemuck::zeroed_box);
            let scratch = scratch.get_or_insert_with(bytemuck::zeroed_box);
            sums.clear();
            sums.resize(rows, 0);
            for Four { byte, groups } in &self.fours {
                let mut shifts = [0; TABLES];
                for (at, table) in tables.iter_mut().enumerate() {
                    match groups.get(at) {
                        Some(group) => {
                            shifts[at] = group.start - 8 * *byte as u32;
                            vectorized(
                                #[inline(always)]
                                || make(&self.tables, group, weights, scratch, table),
                            );
                        }
                        None => table.fill(0),
                    }
                }
                // By itself, so that all that a row needs is in registers.
                vectorized(
                    #[inline(always)]
                    || look_up(codes, *byte, shifts, tables, sums),
                );
            }
            vectorized(
                #[inline(always)]
                || {
                    for (product, sum) in products.iter_mut().zip(&*sums) {
                        *product = scale.offset + scale.step * f32::from(*sum);
                    }
                },
            );
        }
    }
}

impl Four {
    fn has_room(&self, group: &Group) -> bool {
        let end = (group.start + group.bits) as usize;
        self.groups.len() < TABLES && end <= 8 * (self.byte + WORD_BYTES)
    }
}

/// The least and the largest entry that a latent may have.
fn range(plan: &BitPlan, LatentWindow { bits, missing, table, .. }: LatentWindow) -> (f64, f64) {
    let entries = &plan.tables().entries()[table as usize..][..1 << (bits + missing)];
    let entries = entries.iter().step_by(1 << missing).map(|entry| f64::from(*entry));
    entries.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), e| (a.min(e), b.max(e)))
}

/// Adds the entries of four tables to the sums of all rows.
#[inline(always)]
fn look_up(
    codes: &PaddedCodes,
    byte: usize,
    shifts: [u32; TABLES],
    tables: &[[u16; ENTRIES]; TABLES],
    sums: &mut [u16],
) {
    for (row, sum) in codes.bytes.chunks_exact(codes.stride).zip(sums) {
        let bytes: &[u8; WORD_BYTES] = row[byte..].first_chunk().expect("eight bytes");
        let word = u64::from_le_bytes(*bytes);
        // Bits that a group does not have change nothing.
        let entry = |i: usize| tables[i][word.wrapping_shr(shifts[i]) as usize & (ENTRIES - 1)];
        // No sum exceeds 16 bits.
        let added = entry(0).wrapping_add(entry(1)).wrapping_add(entry(2)).wrapping_add(entry(3));
        *sum = sum.wrapping_add(added);
    }
}
