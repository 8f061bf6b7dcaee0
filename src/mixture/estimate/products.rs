//! Products of rows with the leading vectors of a basis, in integers of 16 bits.

use bytemuck::{Pod, Zeroable};

use crate::simd::Avx512;

/// Rows that are multiplied side by side: their sums and the weights occupy 28 of 32 registers.
pub(super) const ROWS: usize = 6;
/// The vectors of 16 latents.
pub(super) const VECTORS: usize = 4;

/// A pair of values of each of 16 latents.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [[i16; 2]; 16]);

/// For each row, and each of the latents in vectors of 16.
pub(super) type Products = [[[i32; 16]; VECTORS]; ROWS];

/// Writes the products of rows, given by pairs of values.
#[inline(always)]
pub(super) fn products(
    vectors: Avx512,
    weights: &[[Lanes; VECTORS]],
    rows: [&[[i16; 2]]; ROWS],
    out: &mut Products,
) {
    #[cfg(target_arch = "x86_64")]
    {
        let _: Avx512 = vectors;
        // SAFETY: the machine has the instructions: there is a value of `Avx512`.
        #[expect(unsafe_code, reason = "the compiler cannot know what the machine has")]
        unsafe {
            vector_products(weights, rows, out);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _: Avx512 = vectors;
        *out = plain_products(weights, rows);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn vector_products(weights: &[[Lanes; VECTORS]], rows: [&[[i16; 2]]; ROWS], out: &mut Products) {
    use std::arch::x86_64::{_mm512_dpwssd_epi32, _mm512_set1_epi32, _mm512_setzero_si512};

    use bytemuck::cast;

    let rows = rows.map(|row| &row[..weights.len()]);
    let mut sums = [[_mm512_setzero_si512(); VECTORS]; ROWS];
    for (at, weights) in weights.iter().enumerate() {
        let weights = weights.map(cast);
        for (sums, row) in sums.iter_mut().zip(rows) {
            let pair = _mm512_set1_epi32(cast(row[at]));
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_dpwssd_epi32(*sum, pair, weights);
            }
        }
    }
    for (out, sums) in out.iter_mut().zip(sums) {
        out.iter_mut().zip(sums).for_each(|(out, sums)| *out = cast(sums));
    }
}

/// What the instructions compute.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain_products(weights: &[[Lanes; VECTORS]], rows: [&[[i16; 2]]; ROWS]) -> Products {
    rows.map(|row| {
        let mut sums = [[0; 16]; VECTORS];
        for (weights, [a, b]) in weights.iter().zip(row) {
            for (sums, weights) in sums.iter_mut().zip(weights) {
                for (sum, [v, w]) in sums.iter_mut().zip(weights.0) {
                    let products = [i32::from(*a) * i32::from(v), i32::from(*b) * i32::from(w)];
                    *sum = products.into_iter().fold(*sum, i32::wrapping_add);
                }
            }
        }
        sums
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_multiply_as_plain_code_does() {
        let Some(vectors) = Avx512::find() else { return };
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            [(seed >> 8) as i16 / 64, (seed >> 16) as i16 / 64]
        };
        for pairs in [1, 2, 7, 192] {
            let mut lanes = || Lanes([(); 16].map(|()| next()));
            let weights: Vec<_> = (0..pairs).map(|_| [(); VECTORS].map(|()| lanes())).collect();
            let rows = [(); ROWS].map(|()| (0..pairs).map(|_| next()).collect::<Vec<_>>());
            let rows = rows.each_ref().map(Vec::as_slice);
            let mut found = Products::default();
            products(vectors, &weights, rows, &mut found);
            assert!(found == plain_products(&weights, rows));
        }
    }
}
