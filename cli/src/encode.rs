//! `vecodec encode` encodes a data file to a file of codes, block by block.

use std::time::Instant;

use serde::Serialize;
use vecodec::data::{Kind, blocks};
use vecodec::{Codec, CodesWriter, EncodeOptions, EncodeReport};

use crate::args::EncodeArgs;
use crate::engine;
use crate::error::{CliError, Result};
use crate::input;
use crate::numbers::{count, seconds, smaller};
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
    clipped_rows: usize,
    /// Its number in the file.
    first_clipped_row: Option<usize>,
    dim: usize,
    bytes_per_row: usize,
    ratio: f64,
    engine: String,
    seconds: f64,
}

/// Rows that are not like those that the model was fitted on, and rows that cannot be encoded.
#[derive(Default)]
pub struct Counts {
    invalid: usize,
    clipped: usize,
    first_clipped: Option<usize>,
}

impl Counts {
    /// Adds those of a batch. `number` maps the index of a row in the batch to the number of the row in the file.
    pub fn add(&mut self, report: &EncodeReport, number: impl FnOnce(usize) -> usize) {
        self.clipped += report.clipped_rows;
        self.first_clipped = self.first_clipped.or(report.first_clipped_row.map(number));
    }
}

pub fn run(args: &EncodeArgs) -> Result<()> {
    #[cfg(feature = "parquet")]
    if crate::parquet::is_named(&args.data) {
        return crate::parquet::encode(args);
    }
    regular::check_output(&args.output, "codes")?;
    output::check(&args.output, &[&args.data, &args.model])?;
    output::check_name(&args.output, "codes")?;
    regular::check_input(&args.model, "models")?;
    let mut data = input::open(&args.data, args.tensor.name())?;
    let range = RowRange::within(args.rows, data.path(), data.row_count())?;
    let codec = engine::codec(engine::model_for(&args.model, &data)?, args.engine.engine()?)?;

    let start = Instant::now();
    let mut writer = CodesWriter::create(&args.output, codec.model())?;
    let mut invalid = InvalidRows::new(args.skip_invalid);
    let progress = Progress::rows("encoding", range.len(), data.row_bytes());
    let options = EncodeOptions::default().with_strict(args.strict);
    let mut counts = Counts::default();
    let mut values = Vec::new();
    for range in blocks(range, data.dim()) {
        data.read(range.clone(), &mut values)?;
        let number = |at| range.start + at;
        invalid.clean(number, &mut values, data.dim());
        if !values.is_empty() {
            let number = |row| invalid.number(number, row);
            let encoded = codec.encode_flat_with(&values, options);
            let (codes, report) = encoded.map_err(|e| CliError::in_rows(&args.data, number, e))?;
            writer.append(&codes)?;
            counts.add(&report, number);
        }
        progress.add(range.len());
    }
    let rows = writer.row_count();
    writer.finish()?;
    drop(progress);
    invalid.note(&args.data);
    counts.invalid = invalid.count();
    report(args, &codec, rows, &counts, data.cells().kind, start)
}

/// Says what was done. `kind` is that of the values in the data.
pub fn report(
    args: &EncodeArgs,
    codec: &Codec,
    rows: usize,
    counts: &Counts,
    kind: Kind,
    start: Instant,
) -> Result<()> {
    let &Counts { invalid: invalid_rows, clipped: clipped_rows, first_clipped: first_clipped_row } =
        counts;
    if let Some(first) = first_clipped_row {
        output::note(&format!(
            "{}: warning: {} of {} rows lie outside the range of the rows that the model was fitted on, \
             the first is row {first}: scale the rows as those were, or fit the model to them",
            args.data.display(),
            count(clipped_rows),
            count(rows),
        ));
    }
    let config = codec.model().config();
    let report = Report {
        output: args.output.display().to_string(),
        rows,
        invalid_rows,
        clipped_rows,
        first_clipped_row,
        dim: config.dim,
        bytes_per_row: config.code_size(),
        ratio: (config.dim * kind.bytes()) as f64 / config.code_size() as f64,
        engine: codec.engine().to_string(),
        seconds: start.elapsed().as_secs_f64(),
    };
    let note = format!(
        "{}: {rows} rows of {} values in {} bytes each, {} {}; engine {}; {}",
        report.output,
        report.dim,
        report.bytes_per_row,
        smaller(report.ratio),
        kind.name(),
        report.engine,
        seconds(report.seconds),
    );
    output::report(args.json, &note, &report)
}
