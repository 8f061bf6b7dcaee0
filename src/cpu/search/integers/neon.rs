//! Vectors of bytes of NEON.

use std::arch::aarch64::{uint8x16_t, uint16x8_t};

use pulp::aarch64::Neon;
use pulp::cast;

use super::padded::ROWS;
use super::vectors::{DOT_LANES, DOT_ROWS, DotRows, Run, Vectors, WithVectors, plain_dots};

/// Runs `work` if the machine has NEON. Returns whether it has.
pub(super) fn with_vectors(work: impl WithVectors) -> bool {
    let neon = Neon::try_new();
    neon.map(|vectors| vectors.vectorize(Run { vectors, work })).is_some()
}

/// NEON multiplies as many `f32` an instruction as 16-bit integers.
pub(super) fn dots_are_fast(_: bool) -> bool {
    false
}

impl Vectors for Neon {
    type Bytes = [uint8x16_t; 2];
    /// Eight rows each.
    type Sums = [uint16x8_t; 4];

    #[inline(always)]
    fn bytes(self, first: &[u8; 16], second: &[u8; 16]) -> [uint8x16_t; 2] {
        [cast(*first), cast(*second)]
    }

    #[inline(always)]
    fn interleave(
        self,
        a: [uint8x16_t; 2],
        b: [uint8x16_t; 2],
    ) -> ([uint8x16_t; 2], [uint8x16_t; 2]) {
        let first = |i: usize| self.neon.vzip1q_u8(a[i], b[i]);
        let second = |i: usize| self.neon.vzip2q_u8(a[i], b[i]);
        ([first(0), first(1)], [second(0), second(1)])
    }

    #[inline(always)]
    fn nibbles(self, bytes: [uint8x16_t; 2], shift: u32, mask: u8, upper: u8) -> [u8; ROWS] {
        let neon = self.neon;
        // A shift to the left by less than nothing.
        let shift = neon.vdupq_n_s8(-(shift as i8));
        let (mask, upper) = (neon.vdupq_n_u8(mask), neon.vdupq_n_u8(upper));
        cast(bytes.map(|v| neon.veorq_u8(neon.vandq_u8(neon.vshlq_u8(v, shift), mask), upper)))
    }

    #[inline(always)]
    fn zero(self) -> [uint16x8_t; 4] {
        cast([0u16; ROWS])
    }

    #[inline(always)]
    fn add(
        self,
        sums: [uint16x8_t; 4],
        table: &[[u8; 16]; 2],
        nibbles: &[u8; ROWS],
    ) -> [uint16x8_t; 4] {
        let nibbles: [uint8x16_t; 2] = cast(*nibbles);
        // It gives zero for 16 and more.
        let look_up = |table: [u8; 16]| nibbles.map(|n| self.neon.vqtbl1q_u8(cast(table), n));
        let (first, second) = self.interleave(look_up(table[0]), look_up(table[1]));
        let add = |i: usize, entries| self.neon.vaddq_u16(sums[i], cast(entries));
        [add(0, first[0]), add(1, second[0]), add(2, first[1]), add(3, second[1])]
    }

    #[inline(always)]
    fn sums(self, sums: [uint16x8_t; 4]) -> [u16; ROWS] {
        cast(sums)
    }

    #[inline(always)]
    fn dots(self, values: &[DotRows], weights: &[[i16; DOT_LANES]]) -> [i32; DOT_ROWS] {
        plain_dots(values, weights)
    }
}
