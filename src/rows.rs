//! Rows of a caller's batch, nested or flat, checked once on the way in.

use std::ops::Range;

use crate::element::Element;
use crate::error::{Error, Result};

/// A batch of at least one row of `dim` values each.
pub(crate) struct Rows<'a, T = f32> {
    source: Source<'a, T>,
    dim: usize,
    len: usize,
}

enum Source<'a, T> {
    Flat(&'a [T]),
    Nested(Vec<&'a [T]>),
}

impl<'a, T: Element> Rows<'a, T> {
    /// Row-major `[rows, dim]`; `what` names the slice in errors.
    pub(crate) fn flat(what: &'static str, values: &'a [T], dim: usize) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::EmptyBatch { dim });
        }
        if !values.len().is_multiple_of(dim) {
            return Err(Error::FlatLength { what, len: values.len(), row_len: dim });
        }
        Ok(Self { source: Source::Flat(values), dim, len: values.len() / dim })
    }

    /// One slice per row.
    pub(crate) fn nested<R: AsRef<[T]>>(rows: &'a [R], dim: usize) -> Result<Self> {
        Self::of_slices(rows.iter().map(AsRef::as_ref), dim)
    }

    /// Slices of `dim` values.
    pub(crate) fn of_slices(rows: impl Iterator<Item = &'a [T]>, dim: usize) -> Result<Self> {
        let check = |(row, values): (usize, &'a [T])| match values.len() {
            found if found == dim => Ok(values),
            found => Err(Error::RowLength { row, expected: dim, found }),
        };
        let rows = rows.enumerate().map(check).collect::<Result<Vec<_>>>()?;
        if rows.is_empty() {
            return Err(Error::EmptyBatch { dim });
        }
        Ok(Self { len: rows.len(), source: Source::Nested(rows), dim })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn row(&self, row: usize) -> &'a [T] {
        match &self.source {
            Source::Flat(values) => &values[row * self.dim..(row + 1) * self.dim],
            Source::Nested(rows) => rows[row],
        }
    }

    /// The rows as one slice, where they are one.
    pub(crate) fn contiguous(&self, range: &Range<usize>) -> Option<&'a [T]> {
        match &self.source {
            Source::Flat(values) => Some(&values[range.start * self.dim..range.end * self.dim]),
            Source::Nested(_) => None,
        }
    }

    /// Some of the rows, at least one.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let source = match &self.source {
            Source::Flat(values) => {
                Source::Flat(&values[range.start * self.dim..range.end * self.dim])
            }
            Source::Nested(rows) => Source::Nested(rows[range.clone()].to_vec()),
        };
        Self { source, dim: self.dim, len: range.len() }
    }

    /// Copies some rows into `out`, in place of what it holds.
    pub(crate) fn copy_to(&self, range: Range<usize>, out: &mut Vec<T>) {
        out.clear();
        match self.contiguous(&range) {
            Some(values) => out.extend_from_slice(values),
            None => range.for_each(|row| out.extend_from_slice(self.row(row))),
        }
    }

    /// Fails on the first NaN or infinity in these rows.
    pub(crate) fn check_finite(&self, range: Range<usize>) -> Result<()> {
        let finite = match self.contiguous(&range) {
            Some(values) => T::all_finite(values),
            None => range.clone().all(|row| T::all_finite(self.row(row))),
        };
        if finite {
            return Ok(());
        }
        for row in range {
            let values = self.row(row).iter().map(|v| v.widened());
            if let Some((column, value)) = values.enumerate().find(|(_, v)| !v.is_finite()) {
                return Err(Error::NonFinite { row, column, value });
            }
        }
        unreachable!("some value was not finite")
    }
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
        let (none, empty): ([f32; 0], [Vec<f32>; 0]) = ([], []);
        assert!(matches!(Rows::flat("rows", &none, 3), Err(Error::EmptyBatch { dim: 3 })));
        assert!(matches!(Rows::nested(&empty, 3), Err(Error::EmptyBatch { dim: 3 })));
        let ragged = [vec![0.0f32; 3], vec![0.0; 2]];
        let error = Rows::nested(&ragged, 3).err().unwrap();
        assert!(matches!(error, Error::RowLength { row: 1, expected: 3, found: 2 }));
        let error = Rows::flat("rows", &[0.0f32; 7], 3).err().unwrap();
        assert!(matches!(error, Error::FlatLength { len: 7, row_len: 3, .. }));
    }
}
