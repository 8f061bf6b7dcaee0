//! Queries of SQL as values.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, ScalarValue};
use vecodec_arrow::{Embeddings, Values};

use crate::error::{external, plan};

/// The values of a query: a list of numbers, as `[0.1, 0.2]` or a parameter of any type of list of floating-point
/// numbers.
///
/// # Errors
/// No list, one of another length, or of other values than floating-point numbers; a null.
pub(crate) fn of_scalar(query: &ScalarValue, dim: usize) -> Result<Vec<f32>> {
    if query.is_null() {
        return Err(plan("the query is null: pass a list of numbers"));
    }
    of_array(&query.to_array()?, dim)
}

/// The values of queries, `[rows, dim]`. None of them is null.
pub(crate) fn of_array(queries: &ArrayRef, dim: usize) -> Result<Vec<f32>> {
    let embeddings = Embeddings::new("query", queries, dim).map_err(external)?;
    if let Some(row) = (embeddings.rows().len() < queries.len())
        .then(|| (0..queries.len()).find(|row| queries.is_null(*row)))
        .flatten()
    {
        return Err(plan(format!("query {row} is null: pass a list of numbers")));
    }
    Ok(match embeddings.values().map_err(external)? {
        Values::F32(values) => values.into_owned(),
        Values::F16(values) => values.iter().map(|value| value.to_f32()).collect(),
    })
}
