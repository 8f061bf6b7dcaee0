//! The functions of SQL.

mod code;
mod error;
mod score;

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Float32Array;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, Signature, Volatility,
};

pub(crate) use score::{Score, ScoreOf};

use crate::error::plan;
use crate::models::Models;

pub(crate) fn all(models: &Models) -> Vec<Arc<ScalarUDF>> {
    [
        ScalarUDF::new_from_impl(code::Encode(models.clone())),
        ScalarUDF::new_from_impl(code::Decode(models.clone())),
        ScalarUDF::new_from_impl(Score { of: ScoreOf::Similarity, models: models.clone() }),
        ScalarUDF::new_from_impl(Score { of: ScoreOf::Distance, models: models.clone() }),
        ScalarUDF::new_from_impl(error::RowError(models.clone())),
    ]
    .map(Arc::new)
    .into()
}

/// Fails unless a function has so many arguments. `usage` shows them.
fn check_count(found: usize, allowed: &[usize], usage: &str) -> Result<()> {
    match allowed.contains(&found) {
        true => Ok(()),
        false => Err(plan(format!("{found} arguments, and this needs others: write {usage}"))),
    }
}

/// The text of an argument that is a constant.
fn text(args: &ReturnFieldArgs<'_>, position: usize, what: &str, usage: &str) -> Result<String> {
    let constant = args.scalar_arguments.get(position).copied().flatten();
    match constant.and_then(|value| value.try_as_str().flatten()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(plan(format!("the {what} must be a text: write {usage}"))),
    }
}

/// The text of an argument of a call.
fn text_of_call(args: &ScalarFunctionArgs, position: usize) -> Option<&str> {
    match args.args.get(position)? {
        ColumnarValue::Scalar(value) => value.try_as_str().flatten(),
        ColumnarValue::Array(_) => None,
    }
}

/// A column of `len` rows, of which these rows have values in order, and the others are null.
fn column(rows: &[usize], values: impl IntoIterator<Item = f32>, len: usize) -> ColumnarValue {
    let mut all = vec![None; len];
    for (row, value) in rows.iter().zip(values) {
        all[*row] = Some(value);
    }
    ColumnarValue::Array(Arc::new(Float32Array::from(all)))
}

/// Of all functions: each checks its arguments itself.
static SIGNATURE: LazyLock<Signature> =
    LazyLock::new(|| Signature::user_defined(Volatility::Immutable));

/// Implements what all functions have in common.
macro_rules! common {
    () => {
        fn signature(&self) -> &datafusion::logical_expr::Signature {
            &super::SIGNATURE
        }

        fn return_type(
            &self,
            _: &[datafusion::arrow::datatypes::DataType],
        ) -> datafusion::common::Result<datafusion::arrow::datatypes::DataType> {
            Err(crate::error::plan("the type follows from the fields of the arguments"))
        }

        /// As they are: DataFusion would turn fixed-size lists into lists.
        fn coerce_types(
            &self,
            types: &[datafusion::arrow::datatypes::DataType],
        ) -> datafusion::common::Result<Vec<datafusion::arrow::datatypes::DataType>> {
            Ok(types.to_vec())
        }
    };
}
use common;
