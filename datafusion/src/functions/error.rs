//! `vecodec_error`.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::common::cast::{as_fixed_size_list_array, as_float32_array};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl};
use vecodec_arrow::{Embeddings, Values};

use super::{check_count, common};
use crate::error::external;
use crate::models::Lookup;

const USAGE: &str = "vecodec_error(embedding, codes)";

/// `vecodec_error(embedding, codes)`: `|x - y|^2 / |x|^2`, where `y` is the decoded row; `|y|^2` for a row of zeros.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowError(pub(crate) Lookup);

impl ScalarUDFImpl for RowError {
    common!();

    fn name(&self) -> &str {
        "vecodec_error"
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        check_count(args.arg_fields.len(), &[2], USAGE)?;
        self.0.of_codes(&args.arg_fields[1])?;
        Ok(Arc::new(Field::new(self.name(), DataType::Float32, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = &args.arg_fields[1];
        let codec = self.0.of_codes(field)?;
        let dim = codec.model().config().dim;
        let (embeddings, codes) =
            (args.args[0].to_array(args.number_rows)?, args.args[1].to_array(args.number_rows)?);
        let (_, decoded) = vecodec_arrow::decode(&codec, field, &codes).map_err(external)?;
        let decoded =
            as_float32_array(as_fixed_size_list_array(&decoded)?.values())?.values().clone();
        let rows =
            Embeddings::new(args.arg_fields[0].name(), &embeddings, dim).map_err(external)?;
        let values = rows.values().map_err(external)?;
        let (there, values): (Vec<usize>, Vec<f32>) = (0..)
            .zip(rows.rows())
            .filter(|(_, row)| codes.is_valid(**row))
            .map(|(at, &row): (usize, &usize)| {
                let (at, y) = (at * dim..(at + 1) * dim, &decoded[row * dim..][..dim]);
                let error = match &values {
                    Values::F32(values) => relative_error(values[at].iter().copied(), y),
                    Values::F16(values) => relative_error(values[at].iter().map(|x| x.to_f32()), y),
                };
                (row, error)
            })
            .unzip();
        Ok(super::column(&there, values, codes.len()))
    }
}

fn relative_error(x: impl Iterator<Item = f32>, y: &[f32]) -> f32 {
    let (mut error, mut norm) = (0.0f64, 0.0f64);
    for (x, y) in x.zip(y) {
        let (x, y) = (f64::from(x), f64::from(*y));
        error += (x - y) * (x - y);
        norm += x * x;
    }
    (if norm == 0.0 { error } else { error / norm }) as f32
}
