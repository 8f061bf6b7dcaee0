//! Vectors of bytes of AVX2.

use std::arch::x86_64::__m256i;

use pulp::cast;
use pulp::x86::V3;

use super::padded::ROWS;
use super::vectors::{DOT_LANES, DOT_ROWS, DotRows, Run, Vectors, WithVectors};

/// Runs `work` if the machine has AVX2. Returns whether it has.
pub(super) fn with_vectors(work: impl WithVectors) -> bool {
    let v3 = V3::try_new();
    v3.map(|vectors| vectors.vectorize(Run { vectors, work })).is_some()
}

/// Whether [`Vectors::dots`] of few or many queries are faster than products of `f32`. Those of many are computed with
/// AVX-512 where a machine has it.
pub(super) fn dots_are_fast(are_few: bool) -> bool {
    are_few || !is_x86_feature_detected!("avx512f")
}

impl Vectors for V3 {
    type Bytes = __m256i;
    /// Rows 0 to 7 and 16 to 23; the others.
    type Sums = [__m256i; 2];

    #[inline(always)]
    fn bytes(self, first: &[u8; 16], second: &[u8; 16]) -> __m256i {
        cast([*first, *second])
    }

    #[inline(always)]
    fn interleave(self, a: __m256i, b: __m256i) -> (__m256i, __m256i) {
        (self.avx2._mm256_unpacklo_epi8(a, b), self.avx2._mm256_unpackhi_epi8(a, b))
    }

    #[inline(always)]
    fn nibbles(self, bytes: __m256i, shift: u32, mask: u8, upper: u8) -> [u8; ROWS] {
        let shift = self.sse2._mm_cvtsi32_si128(shift as i32);
        let all = |byte: u8| self.avx._mm256_set1_epi8(byte as i8);
        let shifted = self.avx2._mm256_srl_epi16(bytes, shift);
        let masked = self.avx2._mm256_and_si256(shifted, all(mask));
        let nibbles = self.avx2._mm256_xor_si256(masked, all(upper));
        // A look-up takes the lowest four bits, and gives zero where the highest is set: that of 16 or more,
        // after this sum.
        cast(self.avx2._mm256_adds_epu8(nibbles, all(128 - 16)))
    }

    #[inline(always)]
    fn zero(self) -> [__m256i; 2] {
        [self.avx._mm256_setzero_si256(); 2]
    }

    #[inline(always)]
    fn add(self, sums: [__m256i; 2], table: &[[u8; 16]; 2], nibbles: &[u8; ROWS]) -> [__m256i; 2] {
        let look_up =
            |table: [u8; 16]| self.avx2._mm256_shuffle_epi8(cast([table, table]), cast(*nibbles));
        let (low, high) = (look_up(table[0]), look_up(table[1]));
        let (first, second) = self.interleave(low, high);
        [self.avx2._mm256_add_epi16(sums[0], first), self.avx2._mm256_add_epi16(sums[1], second)]
    }

    #[inline(always)]
    fn sums(self, [first, second]: [__m256i; 2]) -> [u16; ROWS] {
        let ([a, c], [b, d]): ([[u16; 8]; 2], [[u16; 8]; 2]) = (cast(first), cast(second));
        cast([a, b, c, d])
    }

    #[inline(always)]
    fn dots(self, values: &[DotRows], weights: &[[i16; DOT_LANES]]) -> [i32; DOT_ROWS] {
        let mut sums = [self.avx._mm256_setzero_si256(); DOT_ROWS];
        for (rows, weights) in values.iter().zip(weights) {
            let weights = cast(*weights);
            for (sum, values) in sums.iter_mut().zip(rows) {
                let products = self.avx2._mm256_madd_epi16(cast(*values), weights);
                *sum = self.avx2._mm256_add_epi32(*sum, products);
            }
        }
        // Each four lanes become sums of four rows.
        let add = |a, b| self.avx2._mm256_hadd_epi32(a, b);
        let [a, b, c, d, e, f, g, h] = sums;
        let [first, second] = [add(add(a, b), add(c, d)), add(add(e, f), add(g, h))];
        let low = self.avx2._mm256_permute2x128_si256::<0x20>(first, second);
        let high = self.avx2._mm256_permute2x128_si256::<0x31>(first, second);
        cast(self.avx2._mm256_add_epi32(low, high))
    }
}
