//! What [`super::latents`] asks of a machine.

use bytemuck::{Pod, Zeroable};

use super::padded::ROWS;

/// Latents of a block.
pub(super) const LANES: usize = 64;

/// Bytes of a vector. Vectors that cross lines of the cache are read at half the rate.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [u8; 64]);

/// Latents of one table: [`super::latents`] says how they lie in a row.
pub(super) struct Block {
    pub(super) first_byte: usize,
    /// Bytes of `eights`, from the first byte on.
    pub(super) bytes: [u8; LANES],
    /// The first bit of each window in its eight bytes.
    pub(super) shifts: [u8; LANES],
    pub(super) table: [u8; 256],
    /// The first value.
    pub(super) first: usize,
}

/// What [`super::latents`] is computed with.
pub(super) trait Vectors: Copy {
    /// Writes the values of a block's latents: `[rows, stride]` from codes `[rows, row_bytes]`.
    fn unpack(
        self,
        block: &Block,
        codes: &[u8],
        row_bytes: usize,
        values: &mut [u8],
        stride: usize,
    );

    /// The sum of each row's values times weights `128 h + l`, which are signed. `values` has so many vectors per
    /// row. The lowest 32 bits of it, which are all.
    fn sums(self, values: &[Lanes], stride: usize, weights: &[[Lanes; 2]]) -> [i32; ROWS];
}
