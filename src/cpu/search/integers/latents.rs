//! Entries of 8 bits, 64 at a time.
//!
//! ```text
//! entry of latent i  ~=  t_i (u_i - 128)          u_i of 8 bits; t_i a step for each table
//! q_i t_i            ~=  s (128 h_i + l_i)        h_i and l_i of 8 bits; s a step for each query
//! q . entries        ~=  s (128 sum h_i (u_i - 128) + sum l_i (u_i - 128))
//! ```
//!
//! The windows of 64 latents of one table lie in at most 64 bytes of a row. A *block* says where (`avx512.rs` has
//! the instructions):
//!
//! ```text
//! eights[j] = the eight bytes that hold the windows of latents 8 j .. 8 j + 7
//! window[i] = the eight bits of eights[i / 8] from shift[i] on
//! u[i]      = table[window[i]]
//! ```
//!
//! 1. A window of fewer bits than eight takes other bits of the row, too. The table has equal entries for them.
//! 2. The two latents of a symbol at half bits have a table each, and so a block each. Blocks have their own order of
//!    latents, and queries have the same.
//! 3. A block writes 64 values, of which the next block overwrites those that are none.
//! 4. Tables of few latents are looked up one latent at a time: those at the begin of a trellis, whose windows have
//!    fewer bits than others, and those of high rates.

#[cfg(target_arch = "x86_64")]
use super::avx512::avx512;
use super::blocks::{Block, LANES, Lanes, Vectors};
#[cfg(not(target_arch = "x86_64"))]
use super::no_avx512::avx512;
use super::padded::{PaddedCodes, ROWS};
use super::scale::Scale;
use crate::bit_codes::{BitPlan, LatentWindow};
use crate::search::Projection;

/// Bytes that are read beyond a row.
pub(super) const PADDING: usize = 64;
/// Rows of a region from which on they repay their making.
const LEAST_ROWS: usize = 32;
/// Latents of a table that make a block.
const LEAST_LATENTS: usize = 5;
/// The largest magnitude of `128 h + l`.
const LARGEST_WEIGHT: f64 = 127.0 * 128.0;
/// Latents of a row, at most.
const MOST_LATENTS: usize = 1 << 16;
/// What the magnitudes of all weights of a query add up to, at most, before they are rounded: sums of 128 times as
/// much have 32 bits.
const LARGEST_SUM: f64 = ((1 << 24) - MOST_LATENTS) as f64;

/// Some queries in integers, and how latents are unpacked.
pub(super) struct Latents {
    blocks: Vec<Block>,
    singles: Vec<Single>,
    /// Values of a row that have weights, a multiple of [`LANES`].
    weighed: usize,
    /// Values of a row, and what the last block writes behind them.
    stride: usize,
    /// `[queries, weighed]`: `h` and `l`.
    weights: Vec<[Lanes; 2]>,
    /// By query: 128 times the sum of the weights.
    centers: Vec<i32>,
    /// By query.
    scales: Vec<Scale>,
}

/// A latent that is looked up by itself.
struct Single {
    byte: usize,
    shift: u32,
    table: [u8; 256],
    value: usize,
}

/// The latents of one table.
struct Kind {
    window: LatentWindow,
    latents: Vec<(usize, u32)>,
}

impl Latents {
    /// None where a window has more than 8 bits, where rows are few, or where the machine has no such instructions.
    pub(super) fn new(plan: &BitPlan, queries: &Projection, rows: usize) -> Option<Self> {
        (rows >= LEAST_ROWS && instructions_exist()).then(|| Self::of(plan, queries))?
    }

    /// None where a window has more than 8 bits, or where sums of so many latents would have more than 32.
    pub(super) fn of(plan: &BitPlan, queries: &Projection) -> Option<Self> {
        if plan.latents() > MOST_LATENTS {
            return None;
        }
        let mut kinds: Vec<Kind> = Vec::new();
        for (latent, window) in plan.latent_windows().enumerate() {
            if window.bits + window.missing > 8 {
                return None;
            }
            let shape = |w: &LatentWindow| (w.table, w.bits, w.missing);
            let same = |kind: &&mut Kind| shape(&kind.window) == shape(&window);
            match kinds.iter_mut().find(same) {
                Some(kind) => kind.latents.push((latent, window.start)),
                None => kinds.push(Kind { window, latents: vec![(latent, window.start)] }),
            }
        }
        let mut all = Self {
            blocks: Vec::new(),
            singles: Vec::new(),
            weighed: 0,
            stride: 0,
            weights: Vec::new(),
            centers: Vec::new(),
            scales: Vec::new(),
        };
        // The latent of each value, and the step of its table. Singles are behind all blocks.
        let mut values: Vec<Option<(usize, f64)>> = Vec::new();
        kinds.sort_by_key(|kind| kind.latents.len() < LEAST_LATENTS);
        for Kind { window, latents } in kinds {
            let (table, step) = rounded(plan, window);
            if latents.len() < LEAST_LATENTS {
                for (latent, start) in latents {
                    let (byte, shift) = (start as usize / 8, start % 8);
                    all.singles.push(Single { byte, shift, table, value: values.len() });
                    values.push(Some((latent, step)));
                }
                continue;
            }
            let mut rest = latents.as_slice();
            while !rest.is_empty() {
                let (block, lanes) = block(&mut rest, table, values.len());
                values.extend(lanes.into_iter().map(|latent| latent.map(|latent| (latent, step))));
                all.blocks.push(block);
            }
        }
        all.weighed = values.len().next_multiple_of(LANES);
        all.stride = all.weighed + LANES;
        for query in 0..queries.count() {
            all.push(&values, queries.query(query));
        }
        Some(all)
    }

    /// Adds a query.
    fn push(&mut self, values: &[Option<(usize, f64)>], query: &[f32]) {
        let weight = |value: &Option<(usize, f64)>| {
            value.map_or(0.0, |(latent, step)| f64::from(query[latent]) * step)
        };
        let weights = || values.iter().map(weight);
        let largest = weights().fold(0.0, |max: f64, w| max.max(w.abs()));
        let sum: f64 = weights().map(f64::abs).sum();
        // A weight is off by half a step, and an entry by half of its table's. An entry is at most 127 such steps.
        let steps = 0.5 * 128.0 * values.len() as f64;
        let largest_weight = LARGEST_WEIGHT.min(LARGEST_SUM / values.len() as f64);
        let scale = Scale::new(largest, largest_weight, steps, 0.5 * sum, 0.0, 128.0 * sum);
        let first = self.weights.len();
        self.weights.resize(first + self.weighed / LANES, [Lanes([0; LANES]); 2]);
        let mut center = 0;
        for (at, weight) in weights().enumerate() {
            let weight = (weight / f64::from(scale.step)).round() as i32;
            let high = (weight + 64) >> 7;
            let block = &mut self.weights[first + at / LANES];
            block[0].0[at % LANES] = high as i8 as u8;
            block[1].0[at % LANES] = (weight - 128 * high) as i8 as u8;
            center += 128 * weight;
        }
        self.centers.push(center);
        self.scales.push(scale);
    }

    pub(super) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    pub(super) fn products(
        &self,
        codes: &PaddedCodes,
        values: &mut Vec<Lanes>,
        products: &mut [f32],
    ) {
        if let Some(vectors) = avx512() {
            self.products_with(vectors, codes, values, products);
        }
    }

    pub(super) fn products_with(
        &self,
        vectors: impl Vectors,
        codes: &PaddedCodes,
        values: &mut Vec<Lanes>,
        products: &mut [f32],
    ) {
        let rows = products.len() / self.scales.len();
        values.resize(ROWS * self.stride / LANES, Lanes([0; LANES]));
        for first in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - first);
            let row_bytes = codes.stride;
            let codes = &codes.bytes[first * row_bytes..][..count * row_bytes];
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(values);
            for block in &self.blocks {
                vectors.unpack(block, codes, row_bytes, bytes, self.stride);
            }
            for Single { byte, shift, table, value } in &self.singles {
                let rows = codes.chunks_exact(row_bytes).zip(bytes.chunks_exact_mut(self.stride));
                for (row, values) in rows {
                    let bits = u16::from_le_bytes([row[*byte], row[byte + 1]]) >> shift;
                    values[*value] = table[usize::from(bits as u8)];
                }
            }
            let weights = self.weights.chunks_exact(self.weighed / LANES);
            let queries = weights.zip(&self.centers).zip(&self.scales);
            for (query, ((weights, center), scale)) in queries.enumerate() {
                let products = &mut products[query * rows + first..][..count];
                let sums = vectors.sums(values, self.stride / LANES, weights);
                for (product, sum) in products.iter_mut().zip(sums) {
                    *product = scale.step * sum.wrapping_sub(*center) as f32;
                }
            }
        }
    }
}

/// Whether the machine has the instructions.
pub(super) fn instructions_exist() -> bool {
    avx512().is_some()
}

/// The entries of a table in steps, and the step.
fn rounded(plan: &BitPlan, window: LatentWindow) -> ([u8; 256], f64) {
    let mask = (1usize << window.bits) - 1;
    let entries = &plan.tables().entries()[window.table as usize..];
    let entry = |bits: usize| f64::from(entries[(bits & mask) << window.missing]);
    let largest = (0..256).map(entry).fold(0.0, |max: f64, entry| max.max(entry.abs()));
    let step = largest / 127.0;
    let rounded = |bits| match step {
        0.0 => 128,
        step => ((entry(bits) / step).round() as i32 + 128) as u8,
    };
    (std::array::from_fn(rounded), step)
}

/// A block of the first of some latents, which it takes, and the latents of its values.
fn block(
    rest: &mut &[(usize, u32)],
    table: [u8; 256],
    first: usize,
) -> (Block, Vec<Option<usize>>) {
    let first_byte = rest[0].1 as usize / 8;
    let mut block = Block { first_byte, bytes: [0; LANES], shifts: [0; LANES], table, first };
    let mut lanes = [None; LANES];
    for eight in 0..LANES / 8 {
        let Some(&(_, start)) = rest.first() else { break };
        let byte = start as usize / 8 - first_byte;
        // Eight bytes end with the 64 that are read.
        if byte + 8 > LANES {
            break;
        }
        for i in 0..8 {
            block.bytes[8 * eight + i] = (byte + i) as u8;
        }
        for (lane, to) in lanes.iter_mut().enumerate().skip(8 * eight).take(8) {
            let Some(&(latent, start)) = rest.first() else { break };
            let shift = start as usize - 8 * (first_byte + byte);
            if shift + 8 > 64 {
                break;
            }
            block.shifts[lane] = shift as u8;
            *to = Some(latent);
            *rest = &rest[1..];
        }
    }
    let count = lanes.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    (block, lanes[..count].to_vec())
}
