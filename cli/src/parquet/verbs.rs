//! `encode`, `decode` and `search` on Parquet.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, RecordBatch, new_empty_array};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use vecodec::{Codec, Codes, EncodeOptions, Engine, Index, Metric};
use vecodec_arrow::{Embeddings, EncodedRows, Values};

use super::ends_so;
use super::read::{Batch, Files};
use super::write::Writer;
use crate::args::{DecodeArgs, EncodeArgs, EngineArgs, SearchArgs};
use crate::encode::{self, Counts};
use crate::error::{CliError, Result};
use crate::progress::Progress;
use crate::writer::ValueType;
use crate::{decode as decoding, engine, output, regular};

/// Encodes a column, and copies the others.
pub fn encode(args: &EncodeArgs) -> Result<()> {
    refuse(&args.data, args.rows.is_some(), "--rows")?;
    refuse(&args.data, args.skip_invalid.is_some(), "--skip-invalid")?;
    regular::check_output(&args.output, "codes")?;
    check_name(&args.output, "codes")?;
    let files = Files::of_embeddings(&args.data, args.tensor.name())?;
    let codec = codec(&files, &args.output, &args.model, &args.engine)?;

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
    refuse(&args.codes, args.rows.is_some(), "--rows")?;
    refuse(&args.codes, args.dtype != ValueType::F32, "--dtype")?;
    check_name(&args.output, "rows")?;
    let files = Files::of_codes(&args.codes, args.column.as_deref())?;
    let codec = codec(&files, &args.output, &args.model, &args.engine)?;

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

/// Fails if an option is given that has no use with Parquet.
fn refuse(path: &Path, is_given: bool, option: &str) -> Result<()> {
    match is_given {
        true => {
            Err(CliError::file(path, format!("{option} has no use with Parquet: leave it out")))
        }
        false => Ok(()),
    }
}

/// Fails if an output has another name than that of a Parquet file.
fn check_name(output: &Path, what: &str) -> Result<()> {
    match ends_so(output) {
        true => Ok(()),
        false => {
            let detail =
                format!("{what} of Parquet files are written as Parquet: name it .parquet");
            Err(CliError::file(output, detail))
        }
    }
}

/// Opens the model and the engine, after a check that the output would replace no input.
fn codec(files: &Files, output: &Path, model: &Path, engine: &EngineArgs) -> Result<Codec> {
    let mut inputs = files.paths();
    inputs.push(model);
    output::check(output, &inputs)?;
    regular::check_input(model, "models")?;
    engine::codec(engine::model(model)?, engine.engine()?)
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
