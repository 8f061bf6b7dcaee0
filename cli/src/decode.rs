//! `vecodec decode` decodes a file of codes to a data file, block by block.

use std::path::Path;

use vecodec::{CodesReader, Error};

use crate::args::DecodeArgs;
use crate::data::{DataWriter, ValueType, blocks};
use crate::engine;
use crate::error::{CliError, Result};
use crate::output;
use crate::progress::Progress;

pub fn run(args: &DecodeArgs) -> Result<()> {
    output::check(&args.output, &[&args.codes, &args.model])?;
    let mut reader = open(&args.codes)?;
    let model = engine::model(&args.model)?;
    if reader.fingerprint() != model.fingerprint() {
        let detail = format!(
            "its codes were made by model {}, and {} is model {}: pass the model that made them",
            reader.fingerprint(),
            args.model.display(),
            model.fingerprint(),
        );
        return Err(CliError::file(&args.codes, detail));
    }
    let (rows, dim) = (reader.row_count(), model.config().dim);
    let mut writer = DataWriter::create(&args.output, rows, dim, ValueType::F32)?;
    let codec = engine::codec(model, args.engine.engine()?)?;

    let progress = Progress::vectors("decoding", rows);
    let mut decoded = Vec::new();
    for range in blocks(0..rows, dim) {
        let codes = reader.read(range.clone()).map_err(|e| in_codes(&args.codes, e))?;
        decoded.resize(range.len() * dim, 0.0);
        codec.decode_into(&codes, &mut decoded)?;
        writer.append(&decoded)?;
        progress.add(range.len());
    }
    writer.finish()?;
    drop(progress);

    output::note(&format!(
        "{}: {rows} rows of {dim} values; engine {}",
        args.output.display(),
        codec.engine(),
    ));
    Ok(())
}

/// Opens a file of codes.
pub fn open(path: &Path) -> Result<CodesReader> {
    CodesReader::open(path).map_err(|e| in_codes(path, e))
}

fn in_codes(path: &Path, error: Error) -> CliError {
    CliError::in_file(path, error, "pass codes that `vecodec encode` wrote")
}
