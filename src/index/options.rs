//! Options of a search, and the forms of its queries.

use crate::error::Result;
use crate::rows::Rows;

/// Options of [`Index::search_with`](crate::Index::search_with).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct SearchOptions<'a> {
    /// Which rows may be found; all by default.
    pub filter: Option<Filter<'a>>,
}

impl<'a> SearchOptions<'a> {
    /// The same options with a filter.
    pub fn with_filter(mut self, filter: Filter<'a>) -> Self {
        self.filter = Some(filter);
        self
    }
}

/// Which rows of an index may be found.
///
/// A filter is looked at only for rows whose score would make them a hit. If it allows fewer than one row in
/// eight, only rows that it allows are scored.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Filter<'a> {
    /// Rows in the order in which they were added: row `i` may be found if bit `i % 64` of word `i / 64` is
    /// set. There is a bit for each of [`Index::row_count`](crate::Index::row_count) rows, also for removed
    /// ones.
    Rows(&'a [u64]),
    /// Rows of these ids. Ids that the index does not hold are ignored.
    Ids(&'a [u64]),
}

/// What queries may be made of: `f32` for flat queries `[queries, dim]`, or a slice of values per query.
/// Sealed; only this crate implements it.
pub trait QueryValues: sealed::Sealed + Sync {}

impl QueryValues for f32 {}
impl QueryValues for Vec<f32> {}
impl QueryValues for &[f32] {}
impl QueryValues for &Vec<f32> {}
impl<const N: usize> QueryValues for [f32; N] {}

/// Queries of `dim` values each.
pub(super) fn rows<Q: QueryValues>(queries: &[Q], dim: usize) -> Result<Rows<'_>> {
    match Q::flat(queries) {
        Some(values) => Rows::flat("queries", values, dim),
        None => Rows::of_slices(queries.iter().map(Q::values), dim),
    }
}

mod sealed {
    /// What a search needs of queries.
    pub trait Sealed: Sized {
        /// The values of all queries, where they are one slice.
        fn flat(_queries: &[Self]) -> Option<&[f32]> {
            None
        }

        /// The values of a query, or one value.
        fn values(&self) -> &[f32];
    }

    impl Sealed for f32 {
        fn flat(queries: &[Self]) -> Option<&[f32]> {
            Some(queries)
        }

        fn values(&self) -> &[f32] {
            std::slice::from_ref(self)
        }
    }

    impl Sealed for Vec<f32> {
        fn values(&self) -> &[f32] {
            self
        }
    }

    impl Sealed for &[f32] {
        fn values(&self) -> &[f32] {
            self
        }
    }

    impl Sealed for &Vec<f32> {
        fn values(&self) -> &[f32] {
            self
        }
    }

    impl<const N: usize> Sealed for [f32; N] {
        fn values(&self) -> &[f32] {
            self
        }
    }
}
