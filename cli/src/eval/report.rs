//! `eval --model` measures the error and the rates of a model on all rows of a file.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use vecodec::data::{DataReader, blocks};
use vecodec::metrics::ErrorSums;
use vecodec::{Codec, Codes};

use super::timed;
use crate::args::EvalArgs;
use crate::engine;
use crate::error::{CliError, Result};
use crate::input;
use crate::numbers::{grouped, number};
use crate::output;
use crate::progress::Progress;
use crate::regular;

/// The figures under their names in JSON, where an infinite figure is null.
#[derive(Serialize)]
struct Report {
    rows: usize,
    dim: usize,
    latent: usize,
    bytes_per_row: usize,
    /// Bytes of a row in the file over those of its code.
    compression_ratio: f64,
    mse: f64,
    relative_mse: f64,
    max_error: f64,
    mean_cosine: f64,
    snr_db: f64,
    encode_rows_per_s: f64,
    decode_rows_per_s: f64,
    engine: String,
}

pub fn run(args: &EvalArgs, model: &Path) -> Result<()> {
    regular::check_input(model, "models")?;
    let mut data = input::open(&args.data, args.tensor.name())?;
    data.expect_rows()?;
    let engine = args.engine.engine()?;
    let codec = engine::codec(engine::model_for(model, &data)?, engine)?;
    let report = measure(&mut data, &codec)?;
    if args.json { output::json(&report) } else { report.print() }
}

fn measure(data: &mut DataReader, codec: &Codec) -> Result<Report> {
    let (config, rows) = (codec.model().config(), data.row_count());
    let progress = Progress::rows("measuring", rows, data.row_bytes());
    let mut sums = ErrorSums::default();
    let (mut original, mut decoded) = (Vec::new(), Vec::new());
    let (mut encoding, mut decoding) = (Duration::ZERO, Duration::ZERO);
    for block in blocks(0..rows, config.dim) {
        data.read(block.clone(), &mut original)?;
        decoded.resize(original.len(), 0.0);
        let mut pass = || -> Result<(Duration, Duration)> {
            let (codes, encoding) = timed(|| codec.encode_flat(&original));
            let codes: Codes =
                codes.map_err(|e| CliError::in_rows(data.path(), |row| block.start + row, e))?;
            let (done, decoding) = timed(|| codec.decode_into(&codes, &mut decoded));
            done?;
            Ok((encoding, decoding))
        };
        if block.start == 0 {
            // The first call is not timed, because it also creates buffers and threads.
            pass()?;
        }
        let (e, d) = pass()?;
        encoding += e;
        decoding += d;
        sums.add(&original, &decoded, config.dim)?;
        progress.add(block.len());
    }
    Ok(Report {
        rows,
        dim: config.dim,
        latent: config.latent_dim,
        bytes_per_row: config.code_size(),
        compression_ratio: data.value_bytes() as f64 / config.code_size() as f64,
        mse: sums.mse(),
        relative_mse: sums.relative_mse(),
        max_error: sums.max_error(),
        mean_cosine: sums.mean_cosine(),
        snr_db: sums.snr_db(),
        encode_rows_per_s: rows as f64 / encoding.as_secs_f64(),
        decode_rows_per_s: rows as f64 / decoding.as_secs_f64(),
        engine: codec.engine().to_string(),
    })
}

impl Report {
    fn print(&self) -> Result<()> {
        output::table(&[
            ("rows", self.rows.to_string()),
            ("dim", self.dim.to_string()),
            ("latent", self.latent.to_string()),
            ("bytes per row", self.bytes_per_row.to_string()),
            ("compression ratio", number(self.compression_ratio, 2)),
            ("mse", number(self.mse, 4)),
            ("relative mse", number(self.relative_mse, 2)),
            ("max error", number(self.max_error, 4)),
            ("mean cosine", number(self.mean_cosine, 4)),
            ("snr", format!("{} dB", number(self.snr_db, 2))),
            ("encode", format!("{} rows/s", grouped(self.encode_rows_per_s))),
            ("decode", format!("{} rows/s", grouped(self.decode_rows_per_s))),
            ("engine", self.engine.clone()),
        ])
    }
}
