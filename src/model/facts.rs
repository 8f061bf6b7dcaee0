//! What a fit saw, as the model keeps it.

/// The tensor of the facts in a file: F64 `[5]`.
pub(super) const FITTED: &str = "fitted";

/// What a fit saw of its rows, so that others can be compared with them:
/// [`Codec::check`](crate::Codec::check) does.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FitFacts {
    /// Rows that the model was fitted on.
    pub rows: usize,
    /// Squared error over signal energy of rows that were held out: what new rows of the same kind have.
    pub relative_mse: f64,
    /// The least L2 norm of a row that is not zero.
    pub min_norm: f64,
    /// The largest L2 norm of a row.
    pub max_norm: f64,
    /// The exponent that the fit chose for [`Objective::Search`](crate::Objective::Search); 0 in others.
    pub query_exponent: f64,
}

impl FitFacts {
    /// The numbers in a file.
    pub(super) fn to_array(&self) -> [f64; 5] {
        let Self { rows, relative_mse, min_norm, max_norm, query_exponent } = *self;
        [rows as f64, relative_mse, min_norm, max_norm, query_exponent]
    }

    /// Checks the numbers of a file.
    #[cfg(feature = "files")]
    pub(super) fn from_array(numbers: [f64; 5]) -> Result<Self, String> {
        if let Some(at) = numbers.iter().position(|n| !n.is_finite() || *n < 0.0) {
            return Err(format!(
                "{FITTED}[{at}] is {}: it must be finite and not negative",
                numbers[at]
            ));
        }
        let [rows, relative_mse, min_norm, max_norm, query_exponent] = numbers;
        if min_norm > max_norm {
            return Err(format!("{FITTED} has norms from {min_norm} to {max_norm}"));
        }
        Ok(Self { rows: rows as usize, relative_mse, min_norm, max_norm, query_exponent })
    }

    /// Whether all norms were 1, except for rounding to f16 and for rows of zeros.
    pub(crate) fn has_norms_of_one(&self) -> bool {
        const ONE: std::ops::RangeInclusive<f64> = 0.999..=1.001;
        ONE.contains(&self.min_norm) && ONE.contains(&self.max_norm)
    }

    /// How far a norm may lie outside the norms of the fit.
    pub(crate) const NORM_FACTOR: f64 = 2.0;

    /// Whether a norm is less than half of the least or more than twice the largest. A row of zeros may
    /// come at any time.
    pub(crate) fn is_outside(&self, norm: f64) -> bool {
        norm > Self::NORM_FACTOR * self.max_norm
            || norm > 0.0 && norm * Self::NORM_FACTOR < self.min_norm
    }
}
