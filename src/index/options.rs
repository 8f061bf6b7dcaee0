//! Options of a search, and the forms of its queries.

use crate::error::{Error, IndexError, Result};
use crate::rows::Rows;

/// Options of [`Index::search_with`](crate::Index::search_with).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct SearchOptions<'a> {
    /// Which rows may be found; all by default.
    pub filter: Option<Filter<'a>>,
    /// Whether all rows are scored; they are by default.
    pub mode: SearchMode,
}

impl<'a> SearchOptions<'a> {
    /// The same options with a filter.
    pub fn with_filter(mut self, filter: Filter<'a>) -> Self {
        self.filter = Some(filter);
        self
    }

    /// The same options with another mode.
    pub fn with_mode(mut self, mode: SearchMode) -> Self {
        self.mode = mode;
        self
    }
}

/// Whether a search finds the best rows, or most of them in less time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum SearchMode {
    /// All rows are scored.
    #[default]
    Exact,
    /// Only rows of some regions are scored: as many regions as are expected to hold this share of the hits, for
    /// each query by itself. Scores of the rows that are found are exact.
    ///
    /// What is expected follows from the keys of some rows of each region, which are taken to be normally
    /// distributed with long tails. It is no promise: on 30,000 rows of real embeddings of 384 values, 16 regions and
    /// 10 hits, 0.9 found 0.931 at 2.6 times the speed, and 0.99 found 0.988 at 1.6 times. Models of one
    /// region, fewer than 4,096 rows, and searches on a GPU have no use of it: there all rows are scored.
    Approximate {
        /// The share of the hits, above 0 and at most 1.
        recall: f32,
    },
}

impl SearchMode {
    /// The share of the hits that is wanted.
    pub(super) fn recall(self) -> Result<f32> {
        match self {
            Self::Exact => Ok(1.0),
            Self::Approximate { recall } if recall > 0.0 && recall <= 1.0 => Ok(recall),
            Self::Approximate { recall } => Err(Error::Index(IndexError::InvalidRecall { recall })),
        }
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
