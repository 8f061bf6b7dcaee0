//! The functions of SQL.

mod code;
mod error;
mod score;

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Float32Array;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, Signature,
    Volatility,
};

pub(crate) use score::{Score, ScoreOf};

use crate::error::plan;
use crate::models::{Link, Lookup, Models};
use code::{Decode, Encode};
use error::RowError;

/// The names of all functions.
const NAMES: [&str; 5] =
    ["vecodec_encode", "vecodec_decode", "vecodec_similarity", "vecodec_distance", "vecodec_error"];

pub(crate) fn all(models: &Models) -> Vec<Arc<ScalarUDF>> {
    NAMES.iter().filter_map(|name| with_lookup(name, Lookup::any(models))).collect()
}

/// The function of this name, whose calls find their model so; `None` if it is none of ours.
pub(crate) fn with_lookup(name: &str, lookup: Lookup) -> Option<Arc<ScalarUDF>> {
    let score = |of| ScalarUDF::new_from_impl(Score { of, lookup: lookup.clone() });
    Some(Arc::new(match name {
        "vecodec_encode" => ScalarUDF::new_from_impl(Encode(lookup)),
        "vecodec_decode" => ScalarUDF::new_from_impl(Decode(lookup)),
        "vecodec_similarity" => score(ScoreOf::Similarity),
        "vecodec_distance" => score(ScoreOf::Distance),
        "vecodec_error" => ScalarUDF::new_from_impl(RowError(lookup)),
        _ => return None,
    }))
}

/// How a function finds its models; `None` if it is none of ours.
pub(crate) fn lookup(function: &ScalarUDF) -> Option<&Lookup> {
    let function = function.inner();
    let encode = function.downcast_ref().map(|Encode(lookup)| lookup);
    encode
        .or_else(|| function.downcast_ref().map(|Decode(lookup)| lookup))
        .or_else(|| function.downcast_ref().map(|Score { lookup, .. }| lookup))
        .or_else(|| function.downcast_ref().map(|RowError(lookup)| lookup))
}

/// A link to the model of a call of a function: by the name that it passes, or by its codes.
pub(crate) fn link_of_call(function: &ScalarUDF, args: &[Expr], schema: &DFSchema) -> Option<Link> {
    let lookup = lookup(function)?;
    match function.name() {
        "vecodec_encode" => {
            let name = args.get(1)?.as_literal()?.try_as_str()??;
            lookup.link_named(name).ok()
        }
        name => {
            let codes = args.get(usize::from(name == "vecodec_error"))?;
            let (_, field) = codes.to_field(schema).ok()?;
            lookup.link_of_codes(&field).ok()
        }
    }
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
