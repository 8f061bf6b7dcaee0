//! What [`super::nibbles`] and [`super::words`] ask of a machine.

use super::padded::ROWS;

/// Rows of [`Vectors::dots`].
pub(super) const DOT_ROWS: usize = 8;
/// Values of a row that are multiplied together.
pub(super) const DOT_LANES: usize = 16;

/// Some values of each of some rows.
pub(super) type DotRows = [[i16; DOT_LANES]; DOT_ROWS];

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

    /// The product of each row with weights, which has 32 bits.
    fn dots(self, values: &[DotRows], weights: &[[i16; DOT_LANES]]) -> [i32; DOT_ROWS];
}

/// [`Vectors::dots`] without vectors.
#[cfg(any(target_arch = "aarch64", test))]
#[inline(always)]
pub(super) fn plain_dots(values: &[DotRows], weights: &[[i16; DOT_LANES]]) -> [i32; DOT_ROWS] {
    let mut sums = [0; DOT_ROWS];
    for (rows, weights) in values.iter().zip(weights) {
        for (sum, values) in sums.iter_mut().zip(rows) {
            let products = values.iter().zip(weights);
            *sum += products.map(|(v, w)| i32::from(*v) * i32::from(*w)).sum::<i32>();
        }
    }
    sums
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
