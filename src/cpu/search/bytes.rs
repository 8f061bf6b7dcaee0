//! Scalar codes scored byte by byte, for a few queries.
//!
//! No latent of a scalar code crosses a byte (`docs/format.md`). So a byte of a row adds to a query's product
//! what a table of 256 entries says, and a row costs one look-up per byte, however many latents it has:
//!
//! ```text
//! table[b][byte] = sum over the latents of byte b: q_i entry_i(byte)
//! q D . z        = table[0][packed[0]] + table[1][packed[1]] + ...
//! ```
//!
//! 64 bytes make 64 KB of tables for each query and region, which the second cache holds. Codes of 8 bits have
//! as many bytes as latents: products of vectors are faster.

use crate::bit_codes::BitPlan;
use crate::model::Model;
use crate::search::Projection;

/// Rows per region from which on tables repay their making.
const MIN_ROWS: usize = 4096;

/// The tables of one region: `[queries, bytes]`.
pub(super) struct ByteTables {
    bytes: usize,
    tables: Vec<[f32; 256]>,
}

/// The tables of a region for queries in it, where rows are scored byte by byte. The regions have `rows` rows
/// together.
pub(super) fn byte_tables(
    model: &Model,
    region: usize,
    queries: &Projection,
    rows: usize,
) -> Option<ByteTables> {
    let plan = model.plan(region)?;
    let is_wide = rows / model.region_count() >= MIN_ROWS;
    (is_wide && plan.has_bytes()).then(|| ByteTables::new(plan, queries))
}

impl ByteTables {
    fn new(plan: &BitPlan, queries: &Projection) -> Self {
        let (bytes, entries) = (plan.code_bytes(), plan.tables().entries());
        let mut tables = vec![[0.0; 256]; queries.count() * bytes];
        let queries = queries.values.chunks_exact(queries.stride);
        for (query, tables) in queries.zip(tables.chunks_exact_mut(bytes)) {
            let mut sums = vec![[0.0f64; 256]; bytes];
            for (q, window) in query.iter().zip(plan.latent_windows()) {
                let (at, shift) = ((window.start / 8) as usize, window.start % 8);
                let mask = (1usize << window.bits) - 1;
                for (byte, sum) in sums[at].iter_mut().enumerate() {
                    let entry = entries[window.table as usize + ((byte >> shift) & mask)];
                    *sum += f64::from(*q) * f64::from(entry);
                }
            }
            for (table, sums) in tables.iter_mut().zip(&sums) {
                table.iter_mut().zip(sums).for_each(|(entry, sum)| *entry = *sum as f32);
            }
        }
        Self { bytes, tables }
    }

    /// Writes the products of rows with each query, `[rows, queries]`. The tables of one query stay in cache
    /// while all rows pass.
    pub(super) fn products<'a>(
        &self,
        rows: impl Iterator<Item = &'a [u8]> + Clone,
        products: &mut [f32],
    ) {
        let count = self.tables.len() / self.bytes;
        for (query, tables) in self.tables.chunks_exact(self.bytes).enumerate() {
            let products = products[query..].iter_mut().step_by(count);
            products.zip(rows.clone()).for_each(|(product, row)| *product = sum(tables, row));
        }
    }
}

/// The sum of the entries that a row's bytes select.
fn sum(tables: &[[f32; 256]], packed: &[u8]) -> f32 {
    let ((fours, last), (bytes, last_bytes)) = (tables.as_chunks::<4>(), packed.as_chunks::<4>());
    // Four sums, which need not wait for each other.
    let mut sums = [0.0; 4];
    for (tables, bytes) in fours.iter().zip(bytes) {
        for i in 0..4 {
            sums[i] += tables[i][usize::from(bytes[i])];
        }
    }
    let rest = last.iter().zip(last_bytes).map(|(table, byte)| table[usize::from(*byte)]);
    sums.iter().copied().chain(rest).sum()
}
