//! What is wrong with a column.

use arrow_schema::DataType;

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a column, by its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A column has another type.
    #[error("column {column:?} is {found}: pass {expected}")]
    #[non_exhaustive]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        found: Box<DataType>,
        /// What would be valid.
        expected: String,
    },
    /// All lists of a column have another length than the model's rows.
    #[error("column {column:?} has lists of {found} values, and the model takes rows of {dim}")]
    #[non_exhaustive]
    ListSize {
        /// The column.
        column: String,
        /// Values of a list.
        found: usize,
        /// Values of the model's rows.
        dim: usize,
    },
    /// A list has another length than the model's rows.
    #[error("column {column:?}, row {row} has {found} values, and the model takes rows of {dim}")]
    #[non_exhaustive]
    RowLength {
        /// The column.
        column: String,
        /// Index of the row in the batch.
        row: usize,
        /// Values of the row.
        found: usize,
        /// Values of the model's rows.
        dim: usize,
    },
    /// A row is there, and one of its values is null.
    #[error(
        "column {column:?}, row {row} has a null among its values: fill it, or make the whole row null"
    )]
    #[non_exhaustive]
    NullValue {
        /// The column.
        column: String,
        /// Index of the row in the batch.
        row: usize,
    },
    /// There are results for more or fewer rows than a column has.
    #[error("column {column:?} has {expected} rows that are not null, and {found} were given")]
    #[non_exhaustive]
    RowCount {
        /// The column.
        column: String,
        /// Rows that were given.
        found: usize,
        /// Rows of the column that are not null.
        expected: usize,
    },
    /// A column has codes of another model.
    #[error(
        "column {column:?} has codes of model {found}, and this is model {expected}: use the model that encoded them"
    )]
    #[non_exhaustive]
    OtherModel {
        /// The column.
        column: String,
        /// The fingerprint of the codec's model.
        expected: String,
        /// The fingerprint of the column's model.
        found: String,
    },
    /// The codec refused a column's rows.
    #[error("column {column:?}: {source}")]
    #[non_exhaustive]
    Codec {
        /// The column.
        column: String,
        /// The codec's error, which counts rows as the batch does.
        source: vecodec::Error,
    },
}

impl Error {
    /// The number of the row in the batch, if the error names one that the codec has not seen.
    #[must_use]
    pub fn row(&self) -> Option<usize> {
        match self {
            Self::RowLength { row, .. } | Self::NullValue { row, .. } => Some(*row),
            _ => None,
        }
    }

    /// The error with `first_row` added to the number of the row that it names, if it names one: for callers that pass
    /// rows batch by batch.
    #[must_use]
    pub fn with_row_offset(mut self, first_row: usize) -> Self {
        match self {
            Self::RowLength { ref mut row, .. } | Self::NullValue { ref mut row, .. } => {
                *row += first_row
            }
            Self::Codec { column, source } => {
                return Self::Codec { column, source: source.with_row_offset(first_row) };
            }
            _ => {}
        }
        self
    }
}
