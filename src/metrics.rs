//! Measures of what a codec loses.
//!
//! All functions take two slices of equal length and compute in `f64`.

use crate::error::{Error, Result};

/// What [`Codec::evaluate`](crate::Codec::evaluate) measures.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Metrics {
    /// Mean squared error per value.
    pub mse: f64,
    /// Squared error over the squared norm of the signal.
    pub relative_mse: f64,
    /// The largest absolute error of a value.
    pub max_error: f64,
    /// Mean over the rows of the cosine between a row and what it decodes to.
    pub mean_cosine: f64,
    /// `-10 log10(relative_mse)`, in decibels; infinite without error.
    pub snr_db: f64,
    /// Bytes of a row as `f32` over the bytes of its code, its scale included.
    pub compression_ratio: f32,
    /// Rows encoded per second.
    pub encode_rows_per_s: f64,
    /// Rows decoded per second.
    pub decode_rows_per_s: f64,
}

/// Sums from which all error figures follow, for data that comes block by block.
#[derive(Clone, Debug, Default)]
pub struct ErrorSums {
    rows: usize,
    values: usize,
    squared_error: f64,
    energy: f64,
    max_error: f64,
    cosines: f64,
}

/// A squared error over an energy; zero without error, also where there is no energy.
pub(crate) fn relative(squared_error: f64, energy: f64) -> f64 {
    if squared_error == 0.0 { 0.0 } else { squared_error / energy }
}

impl ErrorSums {
    /// Adds rows `[n, dim]` and what they decoded to.
    ///
    /// # Errors
    /// The slices differ in length, or are no multiple of `dim`.
    pub fn add(&mut self, original: &[f32], decoded: &[f32], dim: usize) -> Result<()> {
        check(original, decoded)?;
        if dim == 0 || !original.len().is_multiple_of(dim) {
            return Err(Error::FlatLength { what: "rows", len: original.len(), row_len: dim });
        }
        for (a, b) in original.chunks_exact(dim).zip(decoded.chunks_exact(dim)) {
            let (mut dot, mut aa, mut bb, mut ee) = (0.0, 0.0, 0.0, 0.0);
            for (&a, &b) in a.iter().zip(b) {
                let (a, b) = (f64::from(a), f64::from(b));
                dot += a * b;
                aa += a * a;
                bb += b * b;
                ee += (a - b) * (a - b);
                self.max_error = self.max_error.max((a - b).abs());
            }
            self.cosines += cosine_of(dot, aa, bb);
            self.energy += aa;
            self.squared_error += ee;
        }
        self.rows += original.len() / dim;
        self.values += original.len();
        Ok(())
    }

    /// The sums of these rows and of others.
    pub fn merged(self, other: Self) -> Self {
        let Self { rows, values, squared_error, energy, max_error, cosines } = other;
        Self {
            rows: self.rows + rows,
            values: self.values + values,
            squared_error: self.squared_error + squared_error,
            energy: self.energy + energy,
            max_error: self.max_error.max(max_error),
            cosines: self.cosines + cosines,
        }
    }

    /// Rows added so far.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// The sum of the squared errors of all values.
    pub fn squared_error(&self) -> f64 {
        self.squared_error
    }

    /// The sum of the squared values of the rows.
    pub fn energy(&self) -> f64 {
        self.energy
    }

    /// Mean squared error per value.
    pub fn mse(&self) -> f64 {
        self.squared_error / self.values as f64
    }

    /// Squared error over the squared norm of the signal; zero without error.
    pub fn relative_mse(&self) -> f64 {
        relative(self.squared_error, self.energy)
    }

    /// The largest absolute error of a value.
    pub fn max_error(&self) -> f64 {
        self.max_error
    }

    /// Mean of the rows' cosines.
    pub fn mean_cosine(&self) -> f64 {
        self.cosines / self.rows as f64
    }

    /// `-10 log10(relative_mse)`, in decibels; infinite without error.
    pub fn snr_db(&self) -> f64 {
        -10.0 * self.relative_mse().log10()
    }
}

/// Mean squared error per value.
///
/// # Errors
/// The slices differ in length.
pub fn mse(original: &[f32], decoded: &[f32]) -> Result<f64> {
    Ok(sums(original, decoded)?.mse())
}

/// Squared error over the squared norm of `original`; zero without error.
///
/// # Errors
/// The slices differ in length.
pub fn relative_mse(original: &[f32], decoded: &[f32]) -> Result<f64> {
    Ok(sums(original, decoded)?.relative_mse())
}

/// The largest absolute difference.
///
/// # Errors
/// The slices differ in length.
pub fn max_error(original: &[f32], decoded: &[f32]) -> Result<f64> {
    Ok(sums(original, decoded)?.max_error())
}

/// Signal power over error power in decibels; infinite without error.
///
/// # Errors
/// The slices differ in length.
pub fn snr_db(original: &[f32], decoded: &[f32]) -> Result<f64> {
    Ok(sums(original, decoded)?.snr_db())
}

/// Mean over rows of `dim` values of the cosine between a row and what it decodes to. Two zero
/// rows count as 1, a zero row beside another row as 0.
///
/// # Errors
/// The slices differ in length, or are no multiple of `dim`.
pub fn mean_cosine(original: &[f32], decoded: &[f32], dim: usize) -> Result<f64> {
    let mut sums = ErrorSums::default();
    sums.add(original, decoded, dim)?;
    Ok(sums.mean_cosine())
}

fn sums(original: &[f32], decoded: &[f32]) -> Result<ErrorSums> {
    check(original, decoded)?;
    let mut sums = ErrorSums::default();
    sums.add(original, decoded, original.len().max(1))?;
    Ok(sums)
}

fn check(original: &[f32], decoded: &[f32]) -> Result<()> {
    if original.len() != decoded.len() {
        let (left, right) = (original.len(), decoded.len());
        return Err(Error::LengthMismatch { left, right });
    }
    if original.is_empty() {
        return Err(Error::EmptyBatch { dim: 1 });
    }
    Ok(())
}

fn cosine_of(dot: f64, aa: f64, bb: f64) -> f64 {
    match (aa == 0.0, bb == 0.0) {
        (true, true) => 1.0,
        (false, false) => dot / (aa.sqrt() * bb.sqrt()),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_known_pair() {
        let (a, b) = ([3.0, 4.0, 0.0, 2.0], [3.0, 4.0, 0.0, 1.0]);
        assert_eq!(mse(&a, &b).unwrap(), 0.25);
        assert_eq!(relative_mse(&a, &b).unwrap(), 1.0 / 29.0);
        assert_eq!(max_error(&a, &b).unwrap(), 1.0);
        assert!((snr_db(&a, &b).unwrap() - 10.0 * 29f64.log10()).abs() < 1e-12);
        assert_eq!(mean_cosine(&a, &b, 2).unwrap(), 1.0);
    }

    #[test]
    fn cosine_is_a_mean_of_rows_and_not_pooled() {
        // The long row agrees, the short one is opposite.
        let (a, b) = ([100.0, 0.0, 0.0, 1.0], [100.0, 0.0, 0.0, -1.0]);
        assert_eq!(mean_cosine(&a, &b, 2).unwrap(), 0.0);
    }

    #[test]
    fn no_error_and_no_signal() {
        let zero = [0.0; 4];
        assert_eq!(relative_mse(&zero, &zero).unwrap(), 0.0);
        assert_eq!(snr_db(&[1.0], &[1.0]).unwrap(), f64::INFINITY);
        assert_eq!(mean_cosine(&zero, &zero, 2).unwrap(), 1.0);
        assert_eq!(mean_cosine(&zero, &[0.0, 1.0, 0.0, 0.0], 2).unwrap(), 0.5);
        assert!(mse(&[0.0], &[0.0, 1.0]).is_err());
        assert!(mean_cosine(&[0.0; 3], &[0.0; 3], 2).is_err());
    }
}
