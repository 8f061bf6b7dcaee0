//! `vecodec encode` encodes a data file to a file of codes, block by block.

use std::time::Instant;

use serde::Serialize;
use vecodec::CodesWriter;

use crate::args::EncodeArgs;
use crate::data::{DataReader, blocks};
use crate::engine;
use crate::error::{CliError, Result};
use crate::numbers::{seconds, smaller};
use crate::output;
use crate::progress::Progress;
use crate::regular;
use crate::rows::{InvalidRows, RowRange};

/// What was done, under the names in JSON.
#[derive(Serialize)]
struct Report {
    output: String,
    rows: usize,
    invalid_rows: usize,
    dim: usize,
    bytes_per_row: usize,
    ratio: f64,
    engine: String,
    seconds: f64,
}

pub fn run(args: &EncodeArgs) -> Result<()> {
    regular::check_output(&args.output, "codes")?;
    output::check(&args.output, &[&args.data, &args.model])?;
    output::check_name(&args.output, "codes")?;
    regular::check_input(&args.model, "models")?;
    let mut data = DataReader::open_noted(&args.data, args.tensor.name())?;
    let range = RowRange::within(args.rows, data.path(), data.row_count())?;
    let codec = engine::codec(engine::model_for(&args.model, &data)?, args.engine.engine()?)?;

    let start = Instant::now();
    let mut writer = CodesWriter::create(&args.output, codec.model())?;
    let mut invalid = InvalidRows::new(args.skip_invalid);
    let progress = Progress::rows("encoding", range.len(), data.row_bytes());
    let mut values = Vec::new();
    for range in blocks(range, data.dim()) {
        data.read(range.clone(), &mut values)?;
        let number = |at| range.start + at;
        invalid.clean(number, &mut values, data.dim());
        if !values.is_empty() {
            let number = |row| invalid.number(number, row);
            let codes = codec.encode_flat(&values);
            writer.append(&codes.map_err(|e| CliError::in_rows(&args.data, number, e))?)?;
        }
        progress.add(range.len());
    }
    let rows = writer.row_count();
    writer.finish()?;
    drop(progress);
    invalid.note(&args.data);

    let config = codec.model().config();
    let report = Report {
        output: args.output.display().to_string(),
        rows,
        invalid_rows: invalid.count(),
        dim: config.dim,
        bytes_per_row: config.code_size(),
        ratio: data.value_bytes() as f64 / config.code_size() as f64,
        engine: codec.engine().to_string(),
        seconds: start.elapsed().as_secs_f64(),
    };
    let note = format!(
        "{}: {rows} rows of {} values in {} bytes each, {} {}; engine {}; {}",
        report.output,
        report.dim,
        report.bytes_per_row,
        smaller(report.ratio),
        data.cells().kind.name(),
        report.engine,
        seconds(report.seconds),
    );
    output::report(args.json, &note, &report)
}
