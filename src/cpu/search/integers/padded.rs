//! Copies of rows.

use crate::search::{PackedRows, Rows};

/// Rows that are worked on together, while what they need is in the first cache.
pub(super) const ROWS: usize = 32;

/// The codes of some rows, each with room behind it. What is there is read, but decides nothing.
#[derive(Default)]
pub(super) struct PaddedCodes {
    pub(super) stride: usize,
    pub(super) bytes: Vec<u8>,
}

/// What a stride is a multiple of.
pub(super) const STRIDE: usize = 16;

impl PaddedCodes {
    /// Copies rows. There are `padding` bytes behind each at least, and so many rows that they are a multiple of
    /// [`ROWS`].
    pub(super) fn set(&mut self, resident: PackedRows<'_>, rows: &Rows<'_>, padding: usize) {
        self.stride = (resident.size() + padding).next_multiple_of(STRIDE);
        self.bytes.resize(rows.len().next_multiple_of(ROWS) * self.stride, 0);
        let mut all = self.bytes.chunks_exact_mut(self.stride);
        rows.each(
            #[inline(always)]
            |row| {
                let Some(padded) = all.next() else { return };
                // By blocks, which are copied without a call.
                let (blocks, rest) = resident.row(row).as_chunks::<STRIDE>();
                let (padded, behind) = padded.split_at_mut(blocks.as_flattened().len());
                padded
                    .as_chunks_mut()
                    .0
                    .iter_mut()
                    .zip(blocks)
                    .for_each(|(to, block)| *to = *block);
                if !rest.is_empty() {
                    behind[..rest.len()].copy_from_slice(rest);
                }
            },
        );
    }
}
