//! A region.

use crate::bit_codes::BitPlan;
use crate::linear::{Weights, linear, linear_with};
use crate::simd::vectorized;

/// One affine codec of a mixture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Region {
    /// `[dim]`
    pub(crate) centroid: Vec<f32>,
    /// `D_r^T`, `[latents, dim]`: orthonormal rows.
    pub(crate) basis: Vec<f32>,
    pub(crate) plan: BitPlan,
}

impl Region {
    /// Writes the latents `[rows, latents]` of rows `[rows, dim]` without the centroid.
    pub(super) fn project(&self, centered: &[f32], latents: &mut [f32]) {
        linear(latents, centered, &self.basis, None, self.centroid.len());
    }

    /// Writes the rows `[rows, dim]` of latents `[rows, latents]`.
    pub(super) fn reconstruct(&self, latents: &[f32], rows: &mut [f32]) {
        let weights = Weights { values: &self.basis, transposed: true };
        linear_with(rows, latents, weights, Some(&self.centroid), self.plan.latents());
    }
}

/// Writes the differences of rows `[rows, dim]` from a centroid.
pub(crate) fn center_rows(rows: &[f32], centroid: &[f32], out: &mut [f32]) {
    center_scaled(rows.chunks_exact(centroid.len()), centroid, 1.0, out);
}

/// Writes the differences of rows from a centroid, times `scale`.
pub(super) fn center_scaled<'a>(
    mut rows: impl Iterator<Item = &'a [f32]>,
    centroid: &[f32],
    scale: f32,
    out: &mut [f32],
) {
    vectorized(
        #[inline(always)]
        || {
            for (row, out) in rows.by_ref().zip(out.chunks_exact_mut(centroid.len())) {
                let pairs = row.iter().zip(centroid);
                out.iter_mut().zip(pairs).for_each(|(y, (x, c))| *y = (x - c) * scale);
            }
        },
    );
}

/// Bits of a region's number, in front of a row's codes.
pub(crate) fn id_bits(regions: usize) -> u32 {
    usize::BITS - (regions - 1).leading_zeros()
}

/// The region of an encoded row. A number beyond the last region, which no encoder writes, counts as
/// the last.
pub(super) fn region_of(packed: &[u8], regions: usize) -> usize {
    let id = usize::from(packed[0]) & ((1 << id_bits(regions)) - 1);
    id.min(regions - 1)
}
