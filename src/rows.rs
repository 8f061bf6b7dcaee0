//! Rows of a caller's batch, nested or flat, checked once on the way in.

use std::ops::Range;

use crate::error::{Error, Result};

/// A batch of at least one row of `dim` values each.
pub(crate) struct Rows<'a> {
    source: Source<'a>,
    dim: usize,
    len: usize,
}

enum Source<'a> {
    Flat(&'a [f32]),
    Nested(Vec<&'a [f32]>),
}

impl<'a> Rows<'a> {
    /// Row-major `[rows, dim]`; `what` names the slice in errors.
    pub(crate) fn flat(what: &'static str, values: &'a [f32], dim: usize) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::EmptyBatch { dim });
        }
        if !values.len().is_multiple_of(dim) {
            return Err(Error::FlatLength { what, len: values.len(), row_len: dim });
        }
        Ok(Self { source: Source::Flat(values), dim, len: values.len() / dim })
    }

    /// One slice a row.
    pub(crate) fn nested<R: AsRef<[f32]>>(rows: &'a [R], dim: usize) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::EmptyBatch { dim });
        }
        let check = |(row, values): (usize, &'a R)| match values.as_ref() {
            values if values.len() == dim => Ok(values),
            values => Err(Error::RowLength { row, expected: dim, found: values.len() }),
        };
        let rows = rows.iter().enumerate().map(check).collect::<Result<Vec<_>>>()?;
        Ok(Self { len: rows.len(), source: Source::Nested(rows), dim })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        match &self.source {
            Source::Flat(values) => &values[row * self.dim..(row + 1) * self.dim],
            Source::Nested(rows) => rows[row],
        }
    }

    /// The rows as one slice, where they lie so.
    pub(crate) fn contiguous(&self, range: &Range<usize>) -> Option<&'a [f32]> {
        match &self.source {
            Source::Flat(values) => Some(&values[range.start * self.dim..range.end * self.dim]),
            Source::Nested(_) => None,
        }
    }

    /// Fails on the first NaN or infinity in these rows.
    pub(crate) fn check_finite(&self, range: Range<usize>) -> Result<()> {
        let finite = match self.contiguous(&range) {
            Some(values) => all_finite(values),
            None => range.clone().all(|row| all_finite(self.row(row))),
        };
        if finite {
            return Ok(());
        }
        for row in range {
            let values = self.row(row);
            if let Some(column) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::NonFinite { row, column, value: values[column] });
            }
        }
        unreachable!("some value was not finite")
    }
}

/// Whether every value is finite, in a loop without branches.
pub(crate) fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    pulp::Arch::new().dispatch(|| {
        values.chunks(1024).all(|chunk| {
            !chunk.iter().fold(false, |any, v| any | (v.to_bits() & EXPONENT == EXPONENT))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_value_is_named_in_either_form() {
        let mut values = vec![0.5; 3000 * 3];
        values[2000 * 3 + 1] = f32::NAN;
        values[2500 * 3] = f32::INFINITY;
        let nested: Vec<&[f32]> = values.chunks(3).collect();
        let flat = Rows::flat("rows", &values, 3).unwrap();
        for rows in [flat, Rows::nested(&nested, 3).unwrap()] {
            assert!(rows.check_finite(0..2000).is_ok());
            let error = rows.check_finite(1..3000).unwrap_err();
            assert!(matches!(error, Error::NonFinite { row: 2000, column: 1, .. }), "{error}");
        }
    }

    #[test]
    fn shapes_are_checked() {
        let empty: [Vec<f32>; 0] = [];
        assert!(matches!(Rows::flat("rows", &[], 3), Err(Error::EmptyBatch { dim: 3 })));
        assert!(matches!(Rows::nested(&empty, 3), Err(Error::EmptyBatch { dim: 3 })));
        let ragged = [vec![0.0; 3], vec![0.0; 2]];
        let error = Rows::nested(&ragged, 3).err().unwrap();
        assert!(matches!(error, Error::RowLength { row: 1, expected: 3, found: 2 }));
        let error = Rows::flat("rows", &[0.0; 7], 3).err().unwrap();
        assert!(matches!(error, Error::FlatLength { len: 7, row_len: 3, .. }));
    }
}
