//! `vecodec decode` decodes a file of codes to a data file, block by block.

use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use vecodec::data::{STDIN, blocks};
use vecodec::{Codec, CodesReader, Element, Error, Model, f16};

use crate::args::DecodeArgs;
use crate::engine;
use crate::error::{CliError, Result};
use crate::numbers::seconds;
use crate::output;
use crate::progress::Progress;
use crate::regular;
use crate::rows::RowRange;
use crate::writer::{DataWriter, ValueType};

/// What was done, under the names in JSON.
#[derive(Serialize)]
struct Report {
    output: String,
    rows: usize,
    dim: usize,
    dtype: &'static str,
    engine: String,
    seconds: f64,
}

pub fn run(args: &DecodeArgs) -> Result<()> {
    #[cfg(feature = "parquet")]
    if crate::parquet::is_named(&args.codes) {
        return crate::parquet::decode(args);
    }
    let to_stdout = args.output.as_os_str() == STDIN;
    if to_stdout && args.json {
        let detail = "--json and -o - both write to stdout: leave out --json, or pass a file";
        return Err(CliError::Other(detail.to_owned()));
    }
    if !to_stdout {
        output::check(&args.output, &[&args.codes, &args.model])?;
    }
    let mut reader = open(&args.codes)?;
    regular::check_input(&args.model, "models")?;
    let model = model_of(&reader, &args.codes, &args.model)?;
    let range = RowRange::within(args.rows, &args.codes, reader.row_count())?;
    let (rows, dim) = (range.len(), model.config().dim);
    let mut writer = DataWriter::create(&args.output, rows, dim, args.dtype)?;
    let codec = engine::codec(model, args.engine.engine()?)?;

    let start = Instant::now();
    match args.dtype {
        ValueType::F32 => decode::<f32>(args, &codec, &mut reader, &mut writer, range)?,
        ValueType::F16 => decode::<f16>(args, &codec, &mut reader, &mut writer, range)?,
    }
    writer.finish()?;
    report(args, &codec, rows, start)
}

/// Says what was done.
pub fn report(args: &DecodeArgs, codec: &Codec, rows: usize, start: Instant) -> Result<()> {
    let dim = codec.model().config().dim;
    let report = Report {
        output: args.output.display().to_string(),
        rows,
        dim,
        dtype: args.dtype.name(),
        engine: codec.engine().to_string(),
        seconds: start.elapsed().as_secs_f64(),
    };
    let note = format!(
        "{}: {rows} rows of {dim} {} values; engine {}; {}",
        report.output,
        report.dtype,
        report.engine,
        seconds(report.seconds),
    );
    output::report(args.json, &note, &report)
}

fn decode<T: Element + Default + Into<f32>>(
    args: &DecodeArgs,
    codec: &Codec,
    reader: &mut CodesReader,
    writer: &mut DataWriter,
    range: Range<usize>,
) -> Result<()> {
    let dim = codec.model().config().dim;
    let progress = Progress::rows("decoding", range.len(), dim * size_of::<T>());
    let mut decoded = Vec::new();
    for range in blocks(range, dim) {
        let codes = reader.read(range.clone()).map_err(|e| in_codes(&args.codes, e))?;
        decoded.resize(range.len() * dim, T::default());
        codec.decode_into(&codes, &mut decoded)?;
        if args.dtype == ValueType::F16
            && let Some(at) = decoded.iter().position(|value| !(*value).into().is_finite())
        {
            let detail = format!(
                "row {}, column {} decodes to a value beyond the range of f16: use --dtype f32",
                range.start + at / dim,
                at % dim,
            );
            return Err(CliError::file(&args.codes, detail));
        }
        writer.append(&decoded)?;
        progress.add(range.len());
    }
    Ok(())
}

/// The model that made the codes of a file.
pub fn model_of(reader: &CodesReader, codes: &Path, model_path: &Path) -> Result<Model> {
    let model = engine::model(model_path)?;
    if reader.fingerprint() != model.fingerprint() {
        let detail = format!(
            "its codes were made by model {}, and {} is model {}: pass the model that made them",
            reader.fingerprint(),
            model_path.display(),
            model.fingerprint(),
        );
        return Err(CliError::file(codes, detail));
    }
    reader.check_model(&model).map_err(|e| in_codes(codes, e))?;
    Ok(model)
}

/// Opens a file of codes.
pub fn open(path: &Path) -> Result<CodesReader> {
    regular::check_input(path, "codes")?;
    CodesReader::open(path).map_err(|e| in_codes(path, e))
}

/// An error about a file of codes.
pub fn in_codes(path: &Path, error: Error) -> CliError {
    CliError::in_file(path, error, "pass codes that `vecodec encode` wrote")
}
