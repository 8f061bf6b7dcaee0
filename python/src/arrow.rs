//! Batches of Arrow, in the forms that all its implementations exchange (the Arrow PyCapsule interface).
//!
//! Encoded rows are `FixedSizeBinary`: each value is a row's record of docs/format.md, its packed bytes and then four
//! bytes of its norm or scale, where rows have one. The field's metadata names the extension type and the model.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type};
use arrow_array::{
    Array, ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, OffsetSizeTrait,
    RecordBatch,
};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;
use pyo3_arrow::input::AnyRecordBatch;
use vecodec::{Codes, Element, Model, RowNorm};

use crate::codec::Codec;
use crate::codes::packed_size;
use crate::error::OrRaise;

/// The key and the name of the extension type, and the key of what it says of the model.
const NAME_KEY: &str = "ARROW:extension:name";
const NAME: &str = "vecodec.codes";
const METADATA_KEY: &str = "ARROW:extension:metadata";

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
        RecordBatch::try_new(Arc::new(schema), columns).map_err(raised)
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

fn raised(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Encodes a column of lists of float32 or float16. Rows that are null stay null.
pub(crate) fn encode(
    py: Python<'_>,
    codec: &Codec,
    field: &Field,
    column: &ArrayRef,
) -> PyResult<(FieldRef, ArrayRef)> {
    let model = codec.inner.model();
    let lists = Lists::new(field.name(), column, model.config().dim)?;
    let codes = match lists.values.data_type() {
        _ if lists.rows.is_empty() => None,
        DataType::Float32 => Some(codec.encode_rows(py, &lists.values::<Float32Type>()?)?),
        DataType::Float16 => Some(codec.encode_rows(py, &lists.values::<Float16Type>()?)?),
        other => {
            let message = format!(
                "column {:?} has lists of {other}: cast its values to float32 or float16",
                field.name()
            );
            return Err(PyTypeError::new_err(message));
        }
    };
    let size = model.config().code_size();
    let mut records = vec![0; size * column.len()];
    if let Some(codes) = &codes {
        let packed = codes.as_bytes().chunks_exact(packed_size(codes));
        for ((number, row), packed) in lists.rows.iter().enumerate().zip(packed) {
            let record = &mut records[row * size..][..size];
            record[..packed.len()].copy_from_slice(packed);
            if has_scales(model) {
                record[packed.len()..].copy_from_slice(&codes.scales()[number].to_le_bytes());
            }
        }
    }
    let array = FixedSizeBinaryArray::try_new(size as i32, records.into(), column.nulls().cloned());
    let array = array.map_err(raised)?;
    let about = format!(
        "{{\"fingerprint\":\"{}\",\"dim\":{},\"coding\":\"{}\"}}",
        model.fingerprint(),
        model.config().dim,
        crate::model::coding(model)
    );
    let mut metadata = field.metadata().clone();
    metadata.insert(NAME_KEY.to_owned(), NAME.to_owned());
    metadata.insert(METADATA_KEY.to_owned(), about);
    Ok(replaced(field, metadata, Arc::new(array)))
}

/// Decodes a column that `encode` made, to lists of float32.
pub(crate) fn decode(
    py: Python<'_>,
    codec: &Codec,
    field: &Field,
    column: &ArrayRef,
) -> PyResult<(FieldRef, ArrayRef)> {
    let model = codec.inner.model();
    let (name, size, dim) = (field.name(), model.config().code_size(), model.config().dim);
    check_model(field, model)?;
    let Some(records) =
        column.as_fixed_size_binary_opt().filter(|a| a.value_length() as usize == size)
    else {
        let message = format!(
            "column {name:?} is {}: pass FixedSizeBinary({size}), which the model's codes are",
            column.data_type()
        );
        return Err(PyTypeError::new_err(message));
    };
    let rows = valid_rows(column);
    let mut values = vec![0.0f32; dim * column.len()];
    if !rows.is_empty() {
        let packed_size = if has_scales(model) { size - 4 } else { size };
        let (mut packed, mut scales) = (Vec::with_capacity(rows.len() * packed_size), Vec::new());
        for &row in &rows {
            let (codes, scale) = records.value(row).split_at(packed_size);
            packed.extend_from_slice(codes);
            scales.extend(scale.try_into().ok().map(f32::from_le_bytes));
        }
        let codes = match has_scales(model) {
            true => Codes::from_parts(model, packed, scales),
            false => Codes::from_parts(model, packed, 1.0),
        };
        let codes = codes.or_raise()?;
        if rows.len() == column.len() {
            codec.decode_rows(py, &codes, &mut values)?;
        } else {
            let mut decoded = vec![0.0f32; dim * rows.len()];
            codec.decode_rows(py, &codes, &mut decoded)?;
            for (row, decoded) in rows.iter().zip(decoded.chunks_exact(dim)) {
                values[row * dim..][..dim].copy_from_slice(decoded);
            }
        }
    }
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(values));
    let array = FixedSizeListArray::try_new(item, dim as i32, values, column.nulls().cloned());
    let array = array.map_err(raised)?;
    let mut metadata: HashMap<String, String> = field.metadata().clone();
    metadata.retain(|key, _| key != NAME_KEY && key != METADATA_KEY);
    Ok(replaced(field, metadata, Arc::new(array)))
}

/// A column in the place of another one, under its name.
fn replaced(
    field: &Field,
    metadata: HashMap<String, String>,
    array: ArrayRef,
) -> (FieldRef, ArrayRef) {
    let field = Field::new(field.name(), array.data_type().clone(), field.is_nullable());
    (Arc::new(field.with_metadata(metadata)), array)
}

/// The rows that are not null.
fn valid_rows(column: &dyn Array) -> Vec<usize> {
    (0..column.len()).filter(|row| column.is_valid(*row)).collect()
}

/// Fails if a column says that another model made its codes.
fn check_model(field: &Field, model: &Model) -> PyResult<()> {
    let fingerprint = model.fingerprint().to_string();
    match field.metadata().get(METADATA_KEY) {
        Some(about) if !about.contains(&fingerprint) => Err(PyValueError::new_err(format!(
            "column {:?} has codes of {about}, and the codec has the model {fingerprint}: pass the codec that \
             encoded them",
            field.name()
        ))),
        _ => Ok(()),
    }
}

/// Whether the rows of a model have a norm or a scale each.
fn has_scales(model: &Model) -> bool {
    model.config().row_norm().is_none_or(|norm| norm == RowNorm::Store)
}

/// The values of all lists, and where each begins.
fn of_offsets<O: OffsetSizeTrait>(column: &ArrayRef) -> (ArrayRef, Vec<usize>) {
    let list = column.as_list::<O>();
    (list.values().clone(), list.value_offsets().iter().map(|offset| offset.as_usize()).collect())
}

/// A column of lists, and which of its rows are there.
struct Lists<'a> {
    name: &'a str,
    dim: usize,
    /// Of all rows.
    values: ArrayRef,
    /// Where the values of each row begin, and where those of the last one end.
    starts: Vec<usize>,
    /// The rows that are not null.
    rows: Vec<usize>,
}

impl<'a> Lists<'a> {
    fn new(name: &'a str, column: &ArrayRef, dim: usize) -> PyResult<Self> {
        let rows = valid_rows(column);
        let (values, starts): (ArrayRef, Vec<usize>) = match column.data_type() {
            DataType::FixedSizeList(..) => {
                let list = column.as_fixed_size_list();
                let found = list.value_length() as usize;
                if found != dim {
                    let message = format!(
                        "column {name:?} has lists of {found} values, and the model takes rows of {dim}"
                    );
                    return Err(PyValueError::new_err(message));
                }
                (list.values().clone(), (0..=column.len()).map(|row| row * dim).collect())
            }
            DataType::List(_) => of_offsets::<i32>(column),
            DataType::LargeList(_) => of_offsets::<i64>(column),
            other => {
                let message =
                    format!("column {name:?} is {other}: pass lists of float32 or float16");
                return Err(PyTypeError::new_err(message));
            }
        };
        if let Some((row, found)) = rows
            .iter()
            .map(|&row| (row, starts[row + 1] - starts[row]))
            .find(|(_, found)| *found != dim)
        {
            let message = format!(
                "column {name:?}, row {row} has {found} values, and the model takes rows of {dim}"
            );
            return Err(PyValueError::new_err(message));
        }
        Ok(Self { name, dim, values, starts, rows })
    }

    /// The values of the rows that are there: where they are, if nothing lies between them.
    fn values<T>(&self) -> PyResult<std::borrow::Cow<'_, [T::Native]>>
    where
        T: ArrowPrimitiveType,
        T::Native: Element + Copy,
    {
        let values = self.values.as_primitive::<T>();
        let all = values.values().as_ref();
        let range = |row: usize| self.starts[row]..self.starts[row] + self.dim;
        if values.null_count() > 0 {
            let has_null = |row: &&usize| range(**row).any(|at| values.is_null(at));
            if let Some(row) = self.rows.iter().find(has_null) {
                let message =
                    format!("column {:?}, row {row} has a null among its values", self.name);
                return Err(PyValueError::new_err(message));
            }
        }
        let (first, last) = (self.rows[0], self.rows[self.rows.len() - 1]);
        let whole = self.starts[first]..range(last).end;
        if whole.len() == self.rows.len() * self.dim {
            return Ok(all[whole].into());
        }
        let gathered = self.rows.iter().flat_map(|row| &all[range(*row)]).copied();
        Ok(gathered.collect::<Vec<T::Native>>().into())
    }
}
