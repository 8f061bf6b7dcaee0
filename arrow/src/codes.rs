//! The codes of columns.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::Field;
use vecodec::{Codes, Model};

use crate::error::{Error, Result};
use crate::extension::CodesType;

/// The rows of a column of codes that are not null.
#[derive(Clone, Debug)]
pub struct EncodedRows {
    /// Their codes; none if all rows are null, or there are none.
    pub codes: Option<Codes>,
    /// Their numbers in the column.
    pub rows: Vec<usize>,
}

impl EncodedRows {
    /// The codes of a column.
    ///
    /// # Errors
    /// The column is of another type or of another model ([`CodesType::check`]), or a row's scale is no scale.
    pub fn new(model: &Model, field: &Field, column: &ArrayRef) -> Result<Self> {
        CodesType::check(field, model)?;
        let Some(array) = column.as_fixed_size_binary_opt() else {
            let (found, expected) =
                (column.data_type().clone().into(), field.data_type().to_string());
            return Err(Error::ColumnType { column: field.name().clone(), found, expected });
        };
        let size = model.config().code_size();
        let rows = valid_rows(column);
        if rows.is_empty() {
            return Ok(Self { codes: None, rows });
        }
        let all = array.value_data();
        let gathered: Vec<u8>;
        let records = if rows.len() == array.len() {
            all
        } else {
            gathered = rows.iter().flat_map(|row| &all[row * size..][..size]).copied().collect();
            &gathered
        };
        match Codes::from_records(model, records) {
            Ok(codes) => Ok(Self { codes: Some(codes), rows }),
            Err(error) => Err(in_column(field.name(), error, &rows)),
        }
    }
}

/// The rows that are not null.
pub(crate) fn valid_rows(column: &dyn Array) -> Vec<usize> {
    match column.nulls() {
        None => (0..column.len()).collect(),
        Some(nulls) => nulls.valid_indices().collect(),
    }
}

/// An error of the codec, which counts the rows that are not null, as one of the column.
pub(crate) fn in_column(column: &str, error: vecodec::Error, rows: &[usize]) -> Error {
    let counted = match &error {
        vecodec::Error::NonFinite { row, .. }
        | vecodec::Error::Overflow { row, .. }
        | vecodec::Error::InvalidScale { row, .. }
        | vecodec::Error::ClippedRows { row, .. } => Some(*row),
        _ => None,
    };
    let skipped = counted.and_then(|row| rows.get(row)?.checked_sub(row)).unwrap_or(0);
    Error::Codec { column: column.to_owned(), source: error.with_row_offset(skipped) }
}
