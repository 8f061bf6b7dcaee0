//! `vecodec_similarity` and `vecodec_distance`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl};
use vecodec::Metric;
use vecodec_arrow::EncodedRows;

use super::{check_count, common, text, text_of_call};
use crate::error::{external, plan};
use crate::models::Lookup;
use crate::{query, scores};

/// What a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ScoreOf {
    /// The largest is best.
    Similarity,
    /// The smallest is best.
    Distance,
}

impl ScoreOf {
    fn usage(self) -> &'static str {
        match self {
            Self::Similarity => "vecodec_similarity(codes, query, 'cosine' or 'inner-product')",
            Self::Distance => "vecodec_distance(codes, query)",
        }
    }

    /// The metric of a function that names it, if it takes one.
    pub(crate) fn metric(self, name: Option<&str>) -> Result<Metric> {
        let metric = match (self, name) {
            (Self::Distance, _) => return Ok(Metric::L2),
            (Self::Similarity, None) => return Ok(Metric::Cosine),
            (Self::Similarity, Some(name)) => {
                name.parse::<Metric>().map_err(|error| plan(error.to_string()))?
            }
        };
        match metric {
            Metric::L2 => Err(plan("l2 is no similarity: write vecodec_distance(codes, query)")),
            metric => Ok(metric),
        }
    }
}

/// `vecodec_similarity(codes, query, metric)` or `vecodec_distance(codes, query)`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Score {
    pub(crate) of: ScoreOf,
    pub(crate) lookup: Lookup,
}

impl ScalarUDFImpl for Score {
    common!();

    fn name(&self) -> &str {
        match self.of {
            ScoreOf::Similarity => "vecodec_similarity",
            ScoreOf::Distance => "vecodec_distance",
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let usage = self.of.usage();
        let counts: &[usize] = if self.of == ScoreOf::Similarity { &[2, 3] } else { &[2] };
        check_count(args.arg_fields.len(), counts, usage)?;
        let codec = self.lookup.of_codes(&args.arg_fields[0])?;
        if args.arg_fields.len() == 3 {
            self.of.metric(Some(&text(&args, 2, "metric", usage)?))?;
        }
        if let Some(Some(constant)) = args.scalar_arguments.get(1) {
            query::of_scalar(constant, codec.model().config().dim)?;
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Float32, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = &args.arg_fields[0];
        let codec = self.lookup.of_codes(field)?;
        let metric = self.of.metric(text_of_call(&args, 2))?;
        let dim = codec.model().config().dim;
        let column = args.args[0].to_array(args.number_rows)?;
        let EncodedRows { codes, mut rows } =
            EncodedRows::new(codec.model(), field, &column).map_err(external)?;
        let Some(mut codes) = codes else {
            return Ok(super::column(&[], [], column.len()));
        };
        let found = match &args.args[1] {
            ColumnarValue::Scalar(constant) => {
                let query = query::of_scalar(constant, dim)?;
                scores::of_rows(&codec, codes, metric, &query)
            }
            ColumnarValue::Array(queries) => {
                // Rows whose query is null have no score.
                let with_query: Vec<usize> =
                    (0..rows.len()).filter(|at| queries.is_valid(rows[*at])).collect();
                if with_query.len() < rows.len() {
                    if with_query.is_empty() {
                        return Ok(super::column(&[], [], column.len()));
                    }
                    codes = codes.select(&with_query).map_err(external)?;
                    rows = with_query.iter().map(|at| rows[*at]).collect();
                }
                let numbers = rows.iter().map(|row| *row as u64).collect::<Vec<u64>>();
                let taken = take(queries, &UInt64Array::from(numbers), None)?;
                scores::of_pairs(&codec, codes, metric, &query::of_array(&taken, dim)?)
            }
        };
        Ok(super::column(&rows, found.map_err(external)?, column.len()))
    }
}
