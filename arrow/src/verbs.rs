//! Columns encoded and decoded, under the same name.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Float32Array};
use arrow_schema::extension::{EXTENSION_TYPE_METADATA_KEY, EXTENSION_TYPE_NAME_KEY};
use arrow_schema::{DataType, Field, FieldRef};
use vecodec::{Codec, Codes, Model};

use crate::codes::{EncodedRows, in_column, valid_rows};
use crate::embeddings::{Embeddings, Values};
use crate::error::{Error, Result};
use crate::extension::CodesType;

/// Encodes a column of embeddings in one call of the codec.
///
/// # Errors
/// The column's type, a row's length, a null among values, or what [`Codec::encode_flat`] refuses.
pub fn encode(codec: &Codec, field: &Field, column: &ArrayRef) -> Result<(FieldRef, ArrayRef)> {
    let embeddings = Embeddings::new(field.name(), column, codec.model().config().dim)?;
    let codes = match embeddings.values()? {
        _ if embeddings.rows().is_empty() => Ok(None),
        Values::F32(values) => codec.encode_flat(&values).map(Some),
        Values::F16(values) => codec.encode_flat(&values).map(Some),
    };
    let codes = codes.map_err(|error| in_column(field.name(), error, embeddings.rows()))?;
    encoded_column(codec.model(), field, column, codes.as_ref())
}

/// Decodes a column of codes to `FixedSizeList` of `Float32`, in one call of the codec.
///
/// # Errors
/// The column has another type or codes of another model, or what [`Codec::decode_flat`] refuses.
pub fn decode(codec: &Codec, field: &Field, column: &ArrayRef) -> Result<(FieldRef, ArrayRef)> {
    let EncodedRows { codes, rows } = EncodedRows::new(codec.model(), field, column)?;
    let values = codes.map(|codes| codec.decode_flat(&codes)).transpose();
    let values = values.map_err(|error| in_column(field.name(), error, &rows))?;
    decoded_column(codec.model(), field, column, values.unwrap_or_default())
}

/// The column of codes in the place of a column of embeddings, of which those rows that are not null have these codes in
/// order; none if all are null.
///
/// # Errors
/// The codes do not have records ([`Codes::records`]), or there are more or fewer than rows that are not null.
pub fn encoded_column(
    model: &Model,
    field: &Field,
    embeddings: &ArrayRef,
    codes: Option<&Codes>,
) -> Result<(FieldRef, ArrayRef)> {
    let in_column = |source| Error::Codec { column: field.name().clone(), source };
    let size = model.config().code_size();
    let records = codes.map(Codes::records).transpose().map_err(in_column)?.unwrap_or_default();
    let records = spread(field, embeddings, records, size)?;
    let array = FixedSizeBinaryArray::new(size as i32, records.into(), embeddings.nulls().cloned());
    let field = plain_field(field, array.data_type()).with_extension_type(CodesType::of(model));
    Ok((Arc::new(field), Arc::new(array)))
}

/// The column of embeddings in the place of a column of codes, of which those rows that are not null have these values,
/// `[rows, dim]`.
///
/// # Errors
/// There are more or fewer values than those of the rows that are not null.
pub fn decoded_column(
    model: &Model,
    field: &Field,
    codes: &ArrayRef,
    values: Vec<f32>,
) -> Result<(FieldRef, ArrayRef)> {
    let dim = model.config().dim;
    let values = spread(field, codes, values, dim)?;
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(values));
    let array = FixedSizeListArray::new(item, dim as i32, values, codes.nulls().cloned());
    Ok((Arc::new(plain_field(field, array.data_type())), Arc::new(array)))
}

/// Values of all rows of a column, zero in rows that are null, of the `row_len` values of each row that is not.
fn spread<T: Copy + Default>(
    field: &Field,
    column: &ArrayRef,
    values: Vec<T>,
    row_len: usize,
) -> Result<Vec<T>> {
    let (len, nulls) = (column.len(), column.null_count());
    let expected = len - nulls;
    if values.len() != expected * row_len {
        let (column, found) = (field.name().clone(), values.len() / row_len);
        return Err(Error::RowCount { column, found, expected });
    }
    if nulls == 0 {
        return Ok(values);
    }
    let mut all = vec![T::default(); len * row_len];
    for (row, values) in valid_rows(column).into_iter().zip(values.chunks_exact(row_len)) {
        all[row * row_len..][..row_len].copy_from_slice(values);
    }
    Ok(all)
}

/// A field of another type, which is no extension type, in the place of a field.
fn plain_field(field: &Field, data_type: &DataType) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.retain(|key, _| key != EXTENSION_TYPE_NAME_KEY && key != EXTENSION_TYPE_METADATA_KEY);
    Field::new(field.name(), data_type.clone(), field.is_nullable()).with_metadata(metadata)
}
