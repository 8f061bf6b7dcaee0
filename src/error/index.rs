//! What can be wrong with the calls of an index.

/// What is wrong with a call of an [`Index`](crate::Index). Of the kind
/// [`Input`](crate::ErrorKind::Input).
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// No hits were asked for.
    #[error("k is 0: ask for at least one hit per query")]
    ZeroHits,
    /// An approximate search is to find no share of the hits.
    #[error("the recall is {recall}: pass a number above 0 and at most 1")]
    #[non_exhaustive]
    InvalidRecall {
        /// The recall.
        recall: f32,
    },
    /// A query holds a NaN or an infinity.
    #[error(
        "query {query}, column {column} is {value}, which is not finite: drop or repair the query"
    )]
    #[non_exhaustive]
    NonFiniteQuery {
        /// Index of the query.
        query: usize,
        /// Index of the value within the query.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A query is so large that its scores may leave the range of `f32`.
    #[error(
        "the scores of query {query} exceed the range of f32: scale the query or the rows down"
    )]
    #[non_exhaustive]
    LargeQuery {
        /// Index of the query.
        query: usize,
    },
    /// A row is so large that what the metric needs of it leaves the range of `f32`.
    #[error(
        "the norm of row {row} is too large for the metric {metric}: scale the rows down before they are \
         encoded"
    )]
    #[non_exhaustive]
    LargeRow {
        /// Index of the row in the codes.
        row: usize,
        /// The metric.
        metric: &'static str,
    },
    /// An id occurs twice.
    #[error("id {id} occurs twice: give each row an id of its own")]
    #[non_exhaustive]
    DuplicateId {
        /// The id.
        id: u64,
    },
    /// An id that results use for what is missing.
    #[error(
        "the id of row {row} is {}, which means that there is no row: take another id",
        u64::MAX
    )]
    #[non_exhaustive]
    ReservedId {
        /// Index of the row.
        row: usize,
    },
    /// There are more or fewer ids than rows.
    #[error("there are {found} ids for {rows} rows: pass an id for each row")]
    #[non_exhaustive]
    IdsLength {
        /// Rows of the codes.
        rows: usize,
        /// Ids that were passed.
        found: usize,
    },
    /// An id is of no row, or of a row that was removed.
    #[error("id {id} is not in the index: pass ids of rows that were appended and not removed")]
    #[non_exhaustive]
    UnknownId {
        /// The id.
        id: u64,
    },
    /// A filter has the wrong length.
    #[error(
        "the filter has {found} words of 64 rows, and {rows} rows need {expected}: pass a bit for each row \
         that the index holds"
    )]
    #[non_exhaustive]
    FilterLength {
        /// Words that are needed.
        expected: usize,
        /// Words that were passed.
        found: usize,
        /// Rows of the index.
        rows: u64,
    },
    /// There are more or fewer lists of candidates than queries.
    #[error(
        "there are {found} lists of candidates for {queries} queries: pass a list for each query"
    )]
    #[non_exhaustive]
    CandidatesLength {
        /// Queries that were passed.
        queries: usize,
        /// Lists that were passed.
        found: usize,
    },
}
