//! A region.

use crate::bit_codes::BitPlan;

/// One affine codec of a mixture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Region {
    /// `[dim]`
    pub(crate) centroid: Vec<f32>,
    /// `D_r^T`, `[latents, dim]`: orthonormal rows.
    pub(crate) basis: Vec<f32>,
    pub(crate) plan: BitPlan,
}
