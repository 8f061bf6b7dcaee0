//! Batches of Arrow, in the forms that all its implementations exchange (the Arrow PyCapsule interface).

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, FieldRef, Schema};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;
use pyo3_arrow::input::AnyRecordBatch;
use vecodec_arrow::{Embeddings, EncodedRows, Values};

use crate::codec::Codec;

/// Replaces a column of every batch by what `convert` makes of it. Gives a batch for a batch, and a table for what
/// has several; of pyarrow's classes if the input is of them.
pub(crate) fn convert<'py>(
    py: Python<'py>,
    input: &Bound<'py, PyAny>,
    column: &str,
    convert: impl Fn(&Field, &ArrayRef) -> PyResult<(FieldRef, ArrayRef)>,
) -> PyResult<Bound<'py, PyAny>> {
    let module: String = input.get_type().getattr("__module__")?.extract()?;
    let is_pyarrow = module.starts_with("pyarrow");
    let in_batch = |batch: RecordBatch| -> PyResult<RecordBatch> {
        let schema = batch.schema();
        let Ok(at) = schema.index_of(column) else {
            let names: Vec<&str> =
                schema.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(PyKeyError::new_err(format!(
                "there is no column {column:?}; found: {names:?}"
            )));
        };
        let (field, array) = convert(schema.field(at), batch.column(at))?;
        let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
        let mut columns = batch.columns().to_vec();
        (fields[at], columns[at]) = (field, array);
        let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    };
    let is_one = input.hasattr("__arrow_c_array__")?;
    let input: AnyRecordBatch = input.extract().map_err(|_| {
        PyTypeError::new_err(format!(
            "pass a batch or a table of Arrow, not an object of type {}",
            input.get_type()
        ))
    })?;
    let (batches, schema) = input.into_table()?.into_inner();
    if is_one {
        let batch = in_batch(batches.into_iter().next().expect("a batch is one batch"))?;
        let batch = pyo3_arrow::PyRecordBatch::new(batch);
        return match is_pyarrow {
            true => batch.into_pyarrow(py),
            false => batch.into_bound_py_any(py),
        };
    }
    // A table of no batches has a schema, too.
    let batches = if batches.is_empty() { vec![RecordBatch::new_empty(schema)] } else { batches };
    let mut converted = Vec::with_capacity(batches.len());
    for batch in batches {
        py.check_signals()?;
        converted.push(in_batch(batch)?);
    }
    let schema = converted[0].schema();
    let table = PyTable::try_new(converted, schema)?;
    match is_pyarrow {
        true => table.into_pyarrow(py),
        false => table.into_bound_py_any(py),
    }
}

/// Encodes a column of lists of floating-point numbers. Rows that are null stay null.
pub(crate) fn encode(
    py: Python<'_>,
    codec: &Codec,
    field: &Field,
    column: &ArrayRef,
) -> PyResult<(FieldRef, ArrayRef)> {
    let model = codec.inner.model();
    let embeddings = Embeddings::new(field.name(), column, model.config().dim).map_err(raised)?;
    let codes = match embeddings.values().map_err(raised)? {
        _ if embeddings.rows().is_empty() => None,
        Values::F32(values) => Some(codec.encode_rows(py, &values)?),
        Values::F16(values) => Some(codec.encode_rows(py, &values)?),
    };
    vecodec_arrow::encoded_column(model, field, column, codes.as_ref()).map_err(raised)
}

/// Decodes a column that `encode` made, to lists of float32.
pub(crate) fn decode(
    py: Python<'_>,
    codec: &Codec,
    field: &Field,
    column: &ArrayRef,
) -> PyResult<(FieldRef, ArrayRef)> {
    let model = codec.inner.model();
    let EncodedRows { codes, rows } = EncodedRows::new(model, field, column).map_err(raised)?;
    let mut values = vec![0.0f32; rows.len() * model.config().dim];
    if let Some(codes) = &codes {
        codec.decode_rows(py, codes, &mut values)?;
    }
    vecodec_arrow::decoded_column(model, field, column, values).map_err(raised)
}

/// The exception of a column's error: of another type, or of another value.
fn raised(error: vecodec_arrow::Error) -> PyErr {
    match error {
        vecodec_arrow::Error::ColumnType { .. } => PyTypeError::new_err(error.to_string()),
        error => PyValueError::new_err(error.to_string()),
    }
}
