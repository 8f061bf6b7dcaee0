//! `vecodec_encode` and `vecodec_decode`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl};
use vecodec_arrow::CodesType;

use super::{check_count, common, text, text_of_call};
use crate::error::{external, plan};
use crate::models::Lookup;

const ENCODE_USAGE: &str = "vecodec_encode(embedding, 'model')";
const DECODE_USAGE: &str = "vecodec_decode(codes)";

/// `vecodec_encode(embedding, 'model')`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Encode(pub(crate) Lookup);

impl ScalarUDFImpl for Encode {
    common!();

    fn name(&self) -> &str {
        "vecodec_encode"
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        check_count(args.arg_fields.len(), &[2], ENCODE_USAGE)?;
        let codec = self.0.named(&text(&args, 1, "model", ENCODE_USAGE)?)?;
        let field = Field::new(self.name(), CodesType::storage(codec.model()), true);
        Ok(Arc::new(field.with_extension_type(CodesType::of(codec.model()))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(name) = text_of_call(&args, 1) else {
            return Err(plan(format!("the model must be a text: write {ENCODE_USAGE}")));
        };
        let codec = self.0.named(name)?;
        let column = args.args[0].to_array(args.number_rows)?;
        let (_, codes) =
            vecodec_arrow::encode(&codec, &args.arg_fields[0], &column).map_err(external)?;
        Ok(ColumnarValue::Array(codes))
    }
}

/// `vecodec_decode(codes)`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Decode(pub(crate) Lookup);

impl ScalarUDFImpl for Decode {
    common!();

    fn name(&self) -> &str {
        "vecodec_decode"
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        check_count(args.arg_fields.len(), &[1], DECODE_USAGE)?;
        let codec = self.0.of_codes(&args.arg_fields[0])?;
        let dim = codec.model().config().dim as i32;
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        Ok(Arc::new(Field::new(self.name(), DataType::FixedSizeList(item, dim), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = &args.arg_fields[0];
        let codec = self.0.of_codes(field)?;
        let column = args.args[0].to_array(args.number_rows)?;
        let (_, rows) = vecodec_arrow::decode(&codec, field, &column).map_err(external)?;
        Ok(ColumnarValue::Array(rows))
    }
}
