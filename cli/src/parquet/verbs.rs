//! `encode`, `decode` and `search` on Parquet.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, RecordBatch, new_empty_array};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use vecodec::{Codes, EncodeOptions, Engine, Index, Metric};
use vecodec_arrow::{Embeddings, EncodedRows, Values};

use super::ends_so;
use super::read::{Batch, Files};
use super::write::Writer;
use crate::args::{DecodeArgs, EncodeArgs, SearchArgs};
use crate::encode::{self, Counts};
use crate::error::{CliError, Result};
use crate::progress::Progress;
use crate::writer::ValueType;
use crate::{decode as decoding, engine, output, regular};

/// Encodes a column, and copies the others.
pub fn encode(args: &EncodeArgs) -> Result<()> {
    for (is_given, option) in
        [(args.rows.is_some(), "--rows"), (args.skip_invalid.is_some(), "--skip-invalid")]
    {
        if is_given {
            let detail = format!("{option} has no use with Parquet: leave it out");
            return Err(CliError::file(&args.data, detail));
        }
    }
    regular::check_output(&args.output, "codes")?;
    if !ends_so(&args.output) {
        let detail = "codes of Parquet files are written as Parquet: name it .parquet";
        return Err(CliError::file(&args.output, detail));
    }
    let files = Files::of_embeddings(&args.data, args.tensor.name())?;
    let mut inputs = files.paths();
    inputs.push(&args.model);
    output::check(&args.output, &inputs)?;
    regular::check_input(&args.model, "models")?;
    let codec = engine::codec(engine::model(&args.model)?, args.engine.engine()?)?;

    let start = Instant::now();
    let options = EncodeOptions::default().with_strict(args.strict);
    let mut counts = Counts::default();
    let rows = replace(&files, &args.output, "encoding", |field, first, column| {
        let model = codec.model();
        let in_files =
            |error: vecodec_arrow::Error| files.error(error.with_row_offset(first).to_string());
        let embeddings =
            Embeddings::new(field.name(), column, model.config().dim).map_err(in_files)?;
        let number = |at: usize| first + embeddings.rows()[at];
        let encoded = match embeddings.values().map_err(in_files)? {
            _ if embeddings.rows().is_empty() => Ok(None),
            Values::F32(values) => codec.encode_flat_with(&values, options).map(Some),
            Values::F16(values) => codec.encode_flat_with(&values, options).map(Some),
        };
        let encoded = encoded.map_err(|error| CliError::in_rows(files.path(), number, error))?;
        if let Some((_, report)) = &encoded {
            counts.add(report, number);
        }
        let codes = encoded.map(|(codes, _)| codes);
        vecodec_arrow::encoded_column(model, field, column, codes.as_ref()).map_err(in_files)
    })?;
    encode::report(args, &codec, rows, &counts, files.kind(), start)
}

/// Decodes a column, and copies the others.
pub fn decode(args: &DecodeArgs) -> Result<()> {
    for (is_given, option) in
        [(args.rows.is_some(), "--rows"), (args.dtype != ValueType::F32, "--dtype")]
    {
        if is_given {
            let detail = format!("{option} has no use with Parquet: leave it out");
            return Err(CliError::file(&args.codes, detail));
        }
    }
    if !ends_so(&args.output) {
        let detail = "rows of Parquet files are written as Parquet: name it .parquet";
        return Err(CliError::file(&args.output, detail));
    }
    let files = Files::of_codes(&args.codes, args.column.as_deref())?;
    let mut inputs = files.paths();
    inputs.push(&args.model);
    output::check(&args.output, &inputs)?;
    regular::check_input(&args.model, "models")?;
    let codec = engine::codec(engine::model(&args.model)?, args.engine.engine()?)?;

    let start = Instant::now();
    let rows = replace(&files, &args.output, "decoding", |field, first, column| {
        let decoded = vecodec_arrow::decode(&codec, field, column);
        decoded.map_err(|error| files.error(error.with_row_offset(first).to_string()))
    })?;
    decoding::report(args, &codec, rows, start)
}

/// An index of a column of codes. Rows are numbered from 0, over all files; rows that are null are left out.
pub fn index(args: &SearchArgs, engine: Engine) -> Result<Index> {
    let files = Files::of_codes(&args.codes, args.column.as_deref())?;
    let codec = engine::codec(engine::model(&args.model)?, engine)?;
    let index = Index::empty(&codec, args.metric.unwrap_or(Metric::Cosine));
    let progress = Progress::rows("loading", files.row_count(), codec.model().config().code_size());
    let mut all: Option<Codes> = None;
    let mut ids = Vec::new();
    for batch in files.batches() {
        let Batch { first, batch } = batch?;
        let column = batch.column(files.column());
        let encoded = EncodedRows::new(codec.model(), files.field(), column);
        let EncodedRows { codes, rows } =
            encoded.map_err(|error| files.error(error.with_row_offset(first).to_string()))?;
        ids.extend(rows.iter().map(|row| (first + row) as u64));
        match (&mut all, codes) {
            (Some(all), Some(codes)) => all.append(&codes)?,
            (None, codes) => all = codes,
            (_, None) => {}
        }
        progress.add(batch.num_rows());
    }
    if let Some(codes) = all {
        index.append_with_ids(codes, &ids)?;
    }
    Ok(index)
}

/// Writes the files with another column in the place of the chosen one. `convert` is given the column's field, the
/// number of its first row, and its values. Returns the number of rows.
fn replace(
    files: &Files,
    output: &Path,
    what: &'static str,
    mut convert: impl FnMut(&Field, usize, &ArrayRef) -> Result<(FieldRef, ArrayRef)>,
) -> Result<usize> {
    let (field, at) = (files.field(), files.column());
    let with_field = |new: FieldRef| -> SchemaRef {
        let mut fields: Vec<FieldRef> = files.schema().fields().iter().cloned().collect();
        fields[at] = new;
        Arc::new(Schema::new_with_metadata(fields, files.schema().metadata().clone()))
    };
    // A column without rows has a type, too.
    let (new, _) = convert(field, 0, &new_empty_array(field.data_type()))?;
    let schema = with_field(new);
    let mut writer = Writer::create(output, schema.clone())?;
    let progress = Progress::rows(what, files.row_count(), size_of::<f32>());
    let mut rows = 0;
    for batch in files.batches() {
        let Batch { first, batch } = batch?;
        let (_, column) = convert(field, first, batch.column(at))?;
        let mut columns = batch.columns().to_vec();
        columns[at] = column;
        let batch = RecordBatch::try_new(schema.clone(), columns)
            .map_err(|error| files.error(error.to_string()))?;
        writer.append(&batch)?;
        rows += batch.num_rows();
        progress.add(batch.num_rows());
    }
    writer.finish()?;
    Ok(rows)
}
