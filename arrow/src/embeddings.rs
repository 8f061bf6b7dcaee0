//! Columns of embeddings, and the rows of columns.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, OffsetSizeTrait};
use arrow_schema::DataType;
use half::f16;

use crate::codes::valid_rows;
use crate::error::{Error, Result};

/// The values of rows, row-major: where they are in the column, if nothing lies between them.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    /// Of 32 bits, or of 64 bits that were rounded to 32.
    F32(Cow<'a, [f32]>),
    /// Of 16 bits.
    F16(Cow<'a, [f16]>),
}

/// A column of lists of `dim` values.
#[derive(Clone, Debug)]
pub struct Embeddings<'a> {
    column: &'a str,
    dim: usize,
    /// Of all rows.
    values: ArrayRef,
    /// Where the values of each row begin, and where those of the last one end.
    starts: Vec<usize>,
    /// The rows that are not null.
    rows: Vec<usize>,
}

impl<'a> Embeddings<'a> {
    /// The embeddings of a column of this name.
    ///
    /// # Errors
    /// The column is of another type, or its lists do not have `dim` values.
    pub fn new(column: &'a str, array: &ArrayRef, dim: usize) -> Result<Self> {
        let (values, starts) = match array.data_type() {
            DataType::FixedSizeList(..) => {
                let list = array.as_fixed_size_list();
                let found = list.value_length() as usize;
                if found != dim {
                    return Err(Error::ListSize { column: column.to_owned(), found, dim });
                }
                (list.values().clone(), (0..=array.len()).map(|row| row * dim).collect())
            }
            DataType::List(_) => of_offsets::<i32>(array),
            DataType::LargeList(_) => of_offsets::<i64>(array),
            other => return Err(wrong_type(column, other)),
        };
        let rows = valid_rows(array);
        let lengths = rows.iter().map(|&row| (row, starts[row + 1] - starts[row]));
        if let Some((row, found)) = lengths.clone().find(|(_, found)| *found != dim) {
            return Err(Error::RowLength { column: column.to_owned(), row, found, dim });
        }
        Ok(Self { column, dim, values, starts, rows })
    }

    /// The numbers of the rows that are not null.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The values of the rows that are not null, `[rows, dim]`.
    ///
    /// # Errors
    /// The values are no floating-point numbers, or one of them is null.
    pub fn values(&self) -> Result<Values<'_>> {
        Ok(match self.values.data_type() {
            DataType::Float32 => Values::F32(self.of_type::<Float32Type>()?),
            DataType::Float16 => Values::F16(self.of_type::<Float16Type>()?),
            DataType::Float64 => {
                let wide = self.of_type::<Float64Type>()?;
                Values::F32(wide.iter().map(|value| *value as f32).collect())
            }
            other => return Err(wrong_type(self.column, other)),
        })
    }

    fn of_type<T: ArrowPrimitiveType>(&self) -> Result<Cow<'_, [T::Native]>> {
        let values = self.values.as_primitive::<T>();
        let all = values.values().as_ref();
        let range = |row: usize| self.starts[row]..self.starts[row] + self.dim;
        if values.null_count() > 0 {
            let has_null = |row: &&usize| range(**row).any(|at| values.is_null(at));
            if let Some(&row) = self.rows.iter().find(has_null) {
                return Err(Error::NullValue { column: self.column.to_owned(), row });
            }
        }
        let (Some(&first), Some(&last)) = (self.rows.first(), self.rows.last()) else {
            return Ok((&[]).into());
        };
        let whole = self.starts[first]..range(last).end;
        if whole.len() == self.rows.len() * self.dim {
            return Ok(all[whole].into());
        }
        let mut gathered = Vec::with_capacity(self.rows.len() * self.dim);
        self.rows.iter().for_each(|row| gathered.extend_from_slice(&all[range(*row)]));
        Ok(gathered.into())
    }
}

/// The values of all lists, and where each begins.
fn of_offsets<O: OffsetSizeTrait>(column: &ArrayRef) -> (ArrayRef, Vec<usize>) {
    let list = column.as_list::<O>();
    (list.values().clone(), list.value_offsets().iter().map(|offset| offset.as_usize()).collect())
}

fn wrong_type(column: &str, found: &DataType) -> Error {
    let expected = "lists of Float32, Float16 or Float64".to_owned();
    Error::ColumnType { column: column.to_owned(), found: found.clone().into(), expected }
}
