//! The instructions of AVX-512 with VBMI and VNNI.

use std::arch::x86_64::*;

use bytemuck::cast;

use super::blocks::{Block, Lanes, Table, TableSize, Vectors};
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
        starts: &[[usize; 4]],
        values: &mut [Lanes],
        stride: usize,
    ) {
        // SAFETY: the machine has the instructions: `avx512` made `self`.
        #[expect(unsafe_code, reason = "the compiler cannot know what the machine has")]
        unsafe {
            unpack(block, codes, starts, values, stride);
        }
    }

    fn sums(self, values: &[Lanes], stride: usize, weights: &[[Lanes; 2]]) -> [i32; ROWS] {
        // SAFETY: the machine has the instructions: `avx512` made `self`.
        #[expect(unsafe_code, reason = "the compiler cannot know what the machine has")]
        unsafe {
            sums(values, stride, weights)
        }
    }

    fn unpacked_sums(
        self,
        blocks: &[Block],
        codes: &[u8],
        starts: &[[usize; 4]],
        weights: &[[Lanes; 2]],
    ) -> [i32; ROWS] {
        // SAFETY: the machine has the instructions: `avx512` made `self`.
        #[expect(unsafe_code, reason = "the compiler cannot know what the machine has")]
        unsafe {
            unpacked_sums(blocks, codes, starts, weights)
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn unpack(block: &Block, codes: &[u8], starts: &[[usize; 4]], values: &mut [Lanes], stride: usize) {
    for (starts, values) in starts.iter().zip(values.chunks_mut(4 * stride)) {
        let found = values_of_four(block, bytes_of_four(codes, starts, block.first_byte));
        for (found, to) in found.into_iter().zip(values.iter_mut().step_by(stride)) {
            *to = cast(found);
        }
    }
}

/// 64 bytes of each of four rows, from one of their bytes on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn bytes_of_four(codes: &[u8], starts: &[usize; 4], first: usize) -> [__m512i; 4] {
    let mut all = [_mm512_setzero_si512(); 4];
    for (bytes, start) in all.iter_mut().zip(starts) {
        let row: &[u8; 64] = codes[start + first..].first_chunk().expect("64 bytes");
        *bytes = cast(*row);
    }
    all
}

/// The values of four rows, which read what the block has once.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn values_of_four(block: &Block, rows: [__m512i; 4]) -> [__m512i; 4] {
    match block.size {
        TableSize::None => codes_of_four(rows),
        TableSize::Of64 => look_up_all::<1>(block, entries_of_four(block, rows)),
        TableSize::Of128 => look_up_all::<2>(block, entries_of_four(block, rows)),
        TableSize::Of256 => look_up_all::<4>(block, entries_of_four(block, rows)),
    }
}

/// Signed codes and 128.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn codes_of_four(mut rows: [__m512i; 4]) -> [__m512i; 4] {
    for row in &mut rows {
        *row = _mm512_xor_si512(*row, _mm512_set1_epi8(-128));
    }
    rows
}

/// Where the entries of the latents are in their tables.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn entries_of_four(block: &Block, mut rows: [__m512i; 4]) -> [__m512i; 4] {
    let (bytes, shifts): (__m512i, __m512i) = (cast(block.bytes), cast(block.shifts));
    let (masks, begins): (__m512i, __m512i) = (cast(block.masks), cast(block.begins));
    for row in &mut rows {
        let eights = _mm512_permutexvar_epi8(bytes, *row);
        let windows = _mm512_multishift_epi64_epi8(shifts, eights);
        // `windows & masks | begins`: bit `4 w + 2 m + b` of the constant is that of `w & m | b`.
        *row = _mm512_ternarylogic_epi32::<0b1110_1010>(windows, masks, begins);
    }
    rows
}

/// Looks up all lanes of four rows in each table, of so many vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn look_up_all<const VECTORS: usize>(block: &Block, entries: [__m512i; 4]) -> [__m512i; 4] {
    let mut found = entries;
    let mut tables = block.tables.iter();
    if let Some(Table { entries: table, .. }) = tables.next() {
        let table: [__m512i; 4] = cast(*table);
        for (found, at) in found.iter_mut().zip(entries) {
            *found = look_up::<VECTORS>(table, at);
        }
    }
    for Table { entries: table, lanes } in tables {
        let table: [__m512i; 4] = cast(*table);
        for (found, at) in found.iter_mut().zip(entries) {
            *found = _mm512_mask_blend_epi8(*lanes, *found, look_up::<VECTORS>(table, at));
        }
    }
    found
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn look_up<const VECTORS: usize>([a, b, c, d]: [__m512i; 4], at: __m512i) -> __m512i {
    match VECTORS {
        1 => _mm512_permutexvar_epi8(at, a),
        2 => _mm512_permutex2var_epi8(a, at, b),
        // Each looks up 128 entries by the lowest seven bits. The highest bit decides between them.
        _ => {
            let first = _mm512_permutex2var_epi8(a, at, b);
            let second = _mm512_permutex2var_epi8(c, at, d);
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), first, second)
        }
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
            add(&mut sums, weights, [a, b, c, d].map(|values| cast(*values)));
        }
        *to = added_up(sums);
    }
    all
}

/// The same straight from codes: values of one query need not be written.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn unpacked_sums(
    blocks: &[Block],
    codes: &[u8],
    starts: &[[usize; 4]],
    weights: &[[Lanes; 2]],
) -> [i32; ROWS] {
    let mut all = [0; ROWS];
    for (starts, to) in starts.iter().zip(all.as_chunks_mut::<4>().0) {
        let mut sums = [[_mm512_setzero_si512(); 2]; 4];
        let (mut rows, mut first) = ([_mm512_setzero_si512(); 4], None);
        for (block, weights) in blocks.iter().zip(weights) {
            if first != Some(block.first_byte) {
                first = Some(block.first_byte);
                rows = bytes_of_four(codes, starts, block.first_byte);
            }
            add(&mut sums, weights, values_of_four(block, rows));
        }
        *to = added_up(sums);
    }
    all
}

/// Adds the values of four rows times weights: with the high ones, and with the low ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn add(sums: &mut [[__m512i; 2]; 4], weights: &[Lanes; 2], values: [__m512i; 4]) {
    let [high, low]: [__m512i; 2] = cast(*weights);
    for (sums, values) in sums.iter_mut().zip(values) {
        sums[0] = _mm512_dpbusd_epi32(sums[0], values, high);
        sums[1] = _mm512_dpbusd_epi32(sums[1], values, low);
    }
}

/// The sum of each of four rows: 128 times the first sums, and the others.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn added_up(sums: [[__m512i; 2]; 4]) -> [i32; 4] {
    let [a, b, c, d] = sums.map(|[high, low]| _mm512_add_epi32(_mm512_slli_epi32::<7>(high), low));
    // Every four lanes become sums of the four rows, and then one such four of all.
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    let (first, second) = (_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let [a, b, c, d]: [__m128i; 4] = cast(_mm512_add_epi32(first, second));
    cast(_mm_add_epi32(_mm_add_epi32(a, b), _mm_add_epi32(c, d)))
}
