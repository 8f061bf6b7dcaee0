//! What a fit noticed about its rows.

use std::fmt;

/// Training rows that a latent should have.
pub(super) const ROWS_PER_LATENT: usize = 10;

/// Something that a fit noticed, and that costs quality. The model works.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum FitWarning {
    /// There are fewer than ten training rows for each latent, so that new rows will have more error
    /// than these.
    FewRows {
        /// Rows that were fitted on.
        rows: usize,
        /// Ten for each latent.
        wanted: usize,
    },
    /// One direction has so much of the variance that 8-bit codes, whose latents share a scale, lose a
    /// tenth or more of the others.
    DominantDirection {
        /// The direction's share of the variance of all latents, from 0 to 1.
        variance_share: f64,
        /// The share of the other directions' variance that the codes lose.
        lost_share: f64,
    },
    /// All latents have the most bits that they can have, and bytes are left over. They are zeros.
    BudgetNotUsed {
        /// Bytes of a row.
        bytes: usize,
        /// Bytes that are used.
        used: usize,
    },
}

impl fmt::Display for FitWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewRows { rows, wanted } => write!(
                f,
                "there are {rows} training rows, and {wanted} would be ten for each latent: new rows \
                 will have more error, so pass more rows (--sample) or take fewer bytes"
            ),
            Self::DominantDirection { variance_share, lost_share } => write!(
                f,
                "one direction has {:.4} % of the variance, and 8-bit codes lose {:.0} % of the rest: \
                 divide the large values by their deviation, or use bit codes (ModelConfig::bits, \
                 --bytes)",
                100.0 * variance_share,
                100.0 * lost_share
            ),
            Self::BudgetNotUsed { bytes, used } => write!(
                f,
                "{used} of {bytes} bytes per row hold all bits that the latents can have: a budget \
                 of {used} bytes gives the same rows"
            ),
        }
    }
}
