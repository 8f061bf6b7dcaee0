//! The instructions of AVX-512 with VBMI and VNNI.

use std::arch::x86_64::*;

use bytemuck::cast;

use super::blocks::{Block, Lanes, Vectors};
use super::padded::ROWS;

/// Proof that the machine has the instructions.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// The machine's instructions.
pub(super) fn avx512() -> Option<Avx512> {
    let exist = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vnni");
    exist.then_some(Avx512(()))
}

impl Vectors for Avx512 {
    fn unpack(
        self,
        block: &Block,
        codes: &[u8],
        row_bytes: usize,
        values: &mut [u8],
        stride: usize,
    ) {
        // SAFETY: the machine has the instructions: `avx512` made `self`.
        #[expect(unsafe_code, reason = "the compiler cannot know what the machine has")]
        unsafe {
            unpack(block, codes, row_bytes, values, stride);
        }
    }

    fn sums(self, values: &[Lanes], stride: usize, weights: &[[Lanes; 2]]) -> [i32; ROWS] {
        // SAFETY: the machine has the instructions: `avx512` made `self`.
        #[expect(unsafe_code, reason = "the compiler cannot know what the machine has")]
        unsafe {
            sums(values, stride, weights)
        }
    }
}

/// The table stays in registers while all rows pass.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn unpack(block: &Block, codes: &[u8], row_bytes: usize, values: &mut [u8], stride: usize) {
    let [a, b, c, d]: [__m512i; 4] = cast(block.table);
    let (bytes, shifts): (__m512i, __m512i) = (cast(block.bytes), cast(block.shifts));
    for (row, values) in codes.chunks_exact(row_bytes).zip(values.chunks_exact_mut(stride)) {
        let row: &[u8; 64] = row[block.first_byte..].first_chunk().expect("64 bytes");
        let values: &mut [u8; 64] = values[block.first..].first_chunk_mut().expect("room");
        let eights = _mm512_permutexvar_epi8(bytes, cast(*row));
        let windows = _mm512_multishift_epi64_epi8(shifts, eights);
        // Each looks up 128 entries by the lowest seven bits. The highest bit decides between them.
        let first = _mm512_permutex2var_epi8(a, windows, b);
        let second = _mm512_permutex2var_epi8(c, windows, d);
        let is_second = _mm512_movepi8_mask(windows);
        *values = cast(_mm512_mask_blend_epi8(is_second, first, second));
    }
}

/// Four rows at a time, which read the weights once and are summed up together.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn sums(values: &[Lanes], stride: usize, weights: &[[Lanes; 2]]) -> [i32; ROWS] {
    let mut all = [0; ROWS];
    for (values, to) in values.chunks_exact(4 * stride).zip(all.as_chunks_mut::<4>().0) {
        let (first, second) = values.split_at(2 * stride);
        let ((a, b), (c, d)) = (first.split_at(stride), second.split_at(stride));
        let mut sums = [[_mm512_setzero_si512(); 2]; 4];
        for ((((weights, a), b), c), d) in weights.iter().zip(a).zip(b).zip(c).zip(d) {
            let [high, low]: [__m512i; 2] = cast(*weights);
            for (sums, values) in sums.iter_mut().zip([a, b, c, d]) {
                sums[0] = _mm512_dpbusd_epi32(sums[0], cast(*values), high);
                sums[1] = _mm512_dpbusd_epi32(sums[1], cast(*values), low);
            }
        }
        let [a, b, c, d] =
            sums.map(|[high, low]| _mm512_add_epi32(_mm512_slli_epi32::<7>(high), low));
        // Every four lanes become sums of the four rows, and then one such four of all.
        let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        let (first, second) = (_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        let [a, b, c, d]: [__m128i; 4] = cast(_mm512_add_epi32(first, second));
        *to = cast(_mm_add_epi32(_mm_add_epi32(a, b), _mm_add_epi32(c, d)));
    }
    all
}
