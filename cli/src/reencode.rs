//! `vecodec reencode` moves a file of codes to another model, block by block.

use std::time::Instant;

use serde::Serialize;
use vecodec::data::blocks;
use vecodec::{CodesWriter, Error};

use crate::args::ReencodeArgs;
use crate::decode;
use crate::engine;
use crate::error::{CliError, Result};
use crate::numbers::seconds;
use crate::output;
use crate::progress::Progress;
use crate::regular;

/// What was done, under the names in JSON.
#[derive(Serialize)]
struct Report {
    output: String,
    rows: usize,
    dim: usize,
    bytes_per_row_before: usize,
    bytes_per_row: usize,
    engine: String,
    seconds: f64,
}

pub fn run(args: &ReencodeArgs) -> Result<()> {
    regular::check_output(&args.output, "codes")?;
    output::check(&args.output, &[&args.codes, &args.from, &args.to])?;
    output::check_name(&args.output, "codes")?;
    let mut reader = decode::open(&args.codes)?;
    regular::check_input(&args.from, "models")?;
    regular::check_input(&args.to, "models")?;
    let old = decode::model_of(&reader, &args.codes, &args.from)?;
    let new = engine::model(&args.to)?;
    let dim = new.config().dim;
    if old.config().dim != dim {
        let detail = format!(
            "its rows have {dim} values, and those of {} have {}: pass a model of the same rows",
            args.from.display(),
            old.config().dim
        );
        return Err(CliError::file(&args.to, detail));
    }
    let from = engine::codec(old, args.engine.engine()?)?;
    let codec = engine::codec(new, args.engine.engine()?)?;

    let start = Instant::now();
    let rows = reader.row_count();
    let mut writer = CodesWriter::create(&args.output, codec.model())?;
    let progress = Progress::rows("encoding", rows, dim * size_of::<f32>());
    for range in blocks(0..rows, dim) {
        let block = reader.read_with_ids(range.clone());
        let (codes, ids) = block.map_err(|e| decode::in_codes(&args.codes, e))?;
        let codes = codec.reencode(&from, &codes).map_err(|e| match e {
            Error::NonFinite { .. } | Error::Overflow { .. } => {
                let detail = format!(
                    "{}; it was decoded by {}",
                    e.with_row_offset(range.start),
                    args.from.display()
                );
                CliError::file(&args.codes, detail)
            }
            other => other.into(),
        })?;
        match reader.has_ids() {
            true => writer.append_with_ids(&codes, &ids)?,
            false => writer.append(&codes)?,
        }
        progress.add(range.len());
    }
    writer.finish()?;
    drop(progress);

    let report = Report {
        output: args.output.display().to_string(),
        rows,
        dim,
        bytes_per_row_before: from.model().config().code_size(),
        bytes_per_row: codec.model().config().code_size(),
        engine: codec.engine().to_string(),
        seconds: start.elapsed().as_secs_f64(),
    };
    let note = format!(
        "{}: {rows} rows of {dim} values moved from {} to {} bytes each; engine {}; {}",
        report.output,
        report.bytes_per_row_before,
        report.bytes_per_row,
        report.engine,
        seconds(report.seconds),
    );
    output::report(args.json, &note, &report)
}
