//! What [`super::nibbles`] asks of a machine.

use super::padded::ROWS;

/// Vectors of a byte for each of 32 rows.
pub(super) trait Vectors: Copy {
    type Bytes: Copy;
    type Sums: Copy;

    /// 16 bytes, and 16 more.
    fn bytes(self, first: &[u8; 16], second: &[u8; 16]) -> Self::Bytes;

    /// `a[0], b[0], a[1], b[1], ...`: the first 16 of them and the other 16, for each half of the vectors.
    fn interleave(self, a: Self::Bytes, b: Self::Bytes) -> (Self::Bytes, Self::Bytes);

    /// `(bytes >> shift & mask) ^ upper`, as [`Self::add`] takes it.
    fn nibbles(self, bytes: Self::Bytes, shift: u32, mask: u8, upper: u8) -> [u8; ROWS];

    fn zero(self) -> Self::Sums;

    /// Adds the entries at `nibbles` of a table of low bytes and high bytes, and nothing where a nibble is 16 or more.
    fn add(self, sums: Self::Sums, table: &[[u8; 16]; 2], nibbles: &[u8; ROWS]) -> Self::Sums;

    /// The sum of each row.
    fn sums(self, sums: Self::Sums) -> [u16; ROWS];
}

/// What is run with the vectors of the machine.
pub(super) trait WithVectors {
    fn run<V: Vectors>(self, vectors: V);
}

/// What pulp compiles for the vectors.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) struct Run<V, W> {
    pub(super) vectors: V,
    pub(super) work: W,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<V: Vectors, W: WithVectors> pulp::NullaryFnOnce for Run<V, W> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.work.run(self.vectors);
    }
}
