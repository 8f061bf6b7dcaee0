//! `vecodec eval`: what a model keeps, and how fast it is.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde::Serialize;
use vecodec::metrics::ErrorSums;
use vecodec::{Codec, Codes, Model};

use crate::args::{EvalArgs, SizeArgs};
use crate::data::{DataReader, blocks};
use crate::engine;
use crate::error::{CliError, Result};
use crate::fit::fit;
use crate::output::{self, grouped};
use crate::progress::Progress;

/// Latents that are fitted where neither a model nor their number is given.
const DEFAULT_LATENT: usize = 64;

/// The figures, under the names they have in JSON; infinite ones become null there.
#[derive(Serialize)]
struct Report {
    rows: usize,
    dim: usize,
    latent: usize,
    bytes_per_row: usize,
    compression_ratio: f32,
    mse: f64,
    relative_mse: f64,
    max_error: f64,
    mean_cosine: f64,
    snr_db: f64,
    encode_rows_per_s: f64,
    decode_rows_per_s: f64,
    engine: String,
}

pub fn run(args: &EvalArgs) -> Result<()> {
    let mut data = DataReader::open(&args.data)?;
    let engine = args.engine.engine()?;
    let (model, range) = match &args.model {
        Some(path) => (engine::model_for(path, &data)?, 0..data.row_count()),
        None => fit_first_half(&mut data, &args.size)?,
    };
    let report = measure(&mut data, range, &engine::codec(model, engine)?)?;
    if args.json { output::json(&report) } else { report.print() }
}

/// A model of the first half of the rows, and the other half to measure it on.
fn fit_first_half(data: &mut DataReader, size: &SizeArgs) -> Result<(Model, Range<usize>)> {
    let (rows, dim, half) = (data.row_count(), data.dim(), data.row_count() / 2);
    if half == 0 {
        let detail = "holds 1 row, and to fit on one half and measure on the other takes 2: \
                      pass more rows, or a model with --model";
        return Err(CliError::file(data.path(), detail));
    }
    // Half as many latents as values still leave something to compress in short vectors.
    let default = DEFAULT_LATENT.min(dim.div_ceil(2)).min(half);
    let model = fit(data, half, size.config(dim, default))?;
    let latent = model.config().latent_dim;
    let chosen = match (size.latent, size.bytes) {
        (None, None) => " (the default)".to_owned(),
        (_, Some(bytes)) => format!(" in {bytes} bytes"),
        _ => String::new(),
    };
    output::note(&format!(
        "note: no model given, so {latent} latents{chosen} were fitted to the first half of {}, \
         rows 0 to {}, and are measured on the second, rows {half} to {}",
        data.path().display(),
        half - 1,
        rows - 1,
    ));
    Ok((model, half..rows))
}

fn measure(data: &mut DataReader, range: Range<usize>, codec: &Codec) -> Result<Report> {
    let (config, rows) = (codec.model().config(), range.len());
    let progress = Progress::vectors("measuring", rows);
    let mut sums = ErrorSums::default();
    let (mut original, mut decoded) = (Vec::new(), Vec::new());
    let (mut encoding, mut decoding) = (Duration::ZERO, Duration::ZERO);
    for block in blocks(range.clone(), config.dim) {
        data.read(block.clone(), &mut original)?;
        decoded.resize(original.len(), 0.0);
        let mut pass = || -> Result<(Duration, Duration)> {
            let (codes, encoding) = timed(|| codec.encode_flat(&original));
            let codes: Codes = codes.map_err(|e| CliError::in_rows(data.path(), block.start, e))?;
            let (done, decoding) = timed(|| codec.decode_into(&codes, &mut decoded));
            done?;
            Ok((encoding, decoding))
        };
        if block.start == range.start {
            // What only a first call costs (buffers, threads, caches) is not counted.
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
        compression_ratio: config.compression_ratio(),
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

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

impl Report {
    fn print(&self) -> Result<()> {
        output::table(&[
            ("rows", self.rows.to_string()),
            ("dim", self.dim.to_string()),
            ("latent", self.latent.to_string()),
            ("bytes per row", self.bytes_per_row.to_string()),
            ("compression ratio", format!("{:.2}", self.compression_ratio)),
            ("mse", format!("{:.4e}", self.mse)),
            ("relative mse", format!("{:.4}", self.relative_mse)),
            ("max error", format!("{:.4}", self.max_error)),
            ("mean cosine", format!("{:.4}", self.mean_cosine)),
            ("snr", format!("{:.2} dB", self.snr_db)),
            ("encode", format!("{} rows/s", grouped(self.encode_rows_per_s))),
            ("decode", format!("{} rows/s", grouped(self.decode_rows_per_s))),
            ("engine", self.engine.clone()),
        ])
    }
}
