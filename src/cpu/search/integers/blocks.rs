//! What [`super::latents`] asks of a machine.

use bytemuck::{Pod, Zeroable};

use super::padded::ROWS;

/// Latents of a block.
pub(super) const LANES: usize = 64;

/// Bytes of a vector. Vectors that cross lines of the cache are read at half the rate.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [u8; 64]);

/// Latents that are looked up together: [`super::latents`] says how they lie in a row.
pub(super) struct Block {
    #[cfg_attr(
        not(any(target_arch = "x86_64", test)),
        expect(dead_code, reason = "only AVX-512 reads it")
    )]
    pub(super) first_byte: usize,
    /// Bytes of `eights`, from the first byte on.
    pub(super) bytes: [u8; LANES],
    /// The first bit of each window in its eight bytes.
    pub(super) shifts: [u8; LANES],
    /// The bits of each window that count.
    pub(super) masks: [u8; LANES],
    /// Where the entries of each latent begin.
    pub(super) begins: [u8; LANES],
    pub(super) size: TableSize,
    pub(super) tables: Vec<Table>,
}

impl Block {
    /// A block without tables: one of 8-bit codes.
    pub(super) fn without_tables(first_byte: usize) -> Self {
        let none = [0; LANES];
        let (bytes, shifts, masks, begins) = (none, none, none, none);
        let (size, tables) = (TableSize::None, Vec::new());
        Self { first_byte, bytes, shifts, masks, begins, size, tables }
    }
}

/// A table, and the lanes that are looked up in it. Lanes of no table may have any value: their weights are zero.
pub(super) struct Table {
    #[cfg_attr(
        not(any(target_arch = "x86_64", test)),
        expect(dead_code, reason = "only AVX-512 reads it")
    )]
    pub(super) entries: [u8; 256],
    pub(super) lanes: u64,
}

/// How many entries the tables of a block have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableSize {
    /// There are no tables: bytes are 8-bit codes.
    None,
    Of64,
    Of128,
    Of256,
}

impl TableSize {
    /// The smallest that has so many entries.
    pub(super) fn of(entries: usize) -> Self {
        match entries {
            ..=64 => Self::Of64,
            65..=128 => Self::Of128,
            _ => Self::Of256,
        }
    }
}

/// What [`super::latents`] is computed with.
pub(super) trait Vectors: Copy {
    /// Writes the values of a block's latents to the first of `stride` vectors of each row, whose codes begin at
    /// `starts`.
    fn unpack(
        self,
        block: &Block,
        codes: &[u8],
        starts: &[[usize; 4]],
        values: &mut [Lanes],
        stride: usize,
    );

    /// The sum of each row's values times weights `128 h + l`, which are signed. `values` has so many vectors per
    /// row. Sums wrap around at 32 bits. Their difference from the query's center does not.
    fn sums(self, values: &[Lanes], stride: usize, weights: &[[Lanes; 2]]) -> [i32; ROWS];

    /// The sums of the values that [`Self::unpack`] would write for all blocks.
    fn unpacked_sums(
        self,
        blocks: &[Block],
        codes: &[u8],
        starts: &[[usize; 4]],
        weights: &[[Lanes; 2]],
    ) -> [i32; ROWS];
}
