//! `eval` without a model: a table of the sizes that the data's rows can have.

use std::time::Duration;

use serde::Serialize;
use vecodec::data::DataReader;
use vecodec::metrics::ErrorSums;
use vecodec::{Codec, Engine, EngineKind, Index, Metric, Model};

use super::recall::{NEIGHBOURS, Truth};
use super::split::Split;
use super::{plot, text, timed};
use crate::args::EvalArgs;
use crate::engine;
use crate::error::{CliError, Result};
use crate::input;
use crate::numbers::count;
use crate::output;
use crate::progress::Progress;
use crate::rows::check_finite;
use crate::size::{Size, table_sizes};

/// Measured rows whose neighbours are searched.
const QUERIES: usize = 1000;
/// Half of these rows are measured. Each measured row then has four times as many candidates as
/// neighbours: among fewer candidates any size keeps most neighbours.
const MIN_ROWS: usize = 2 * (4 * NEIGHBOURS + 1);
/// Encoding and decoding are repeated until this time has passed, or for [`MAX_PASSES`].
const RATE_TIME: Duration = Duration::from_millis(150);
const MAX_PASSES: usize = 20;

/// The figures of one size, under the names they have in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub codes: &'static str,
    pub bytes_per_row: usize,
    /// Bytes of a row in the file over those of its code.
    pub compression_ratio: f64,
    pub relative_mse: f64,
    pub mean_cosine: f64,
    #[serde(rename = "recall@1")]
    pub recall_at_1: f64,
    #[serde(rename = "recall@10")]
    pub recall_at_10: f64,
    pub encode_rows_per_s: f64,
    pub decode_rows_per_s: f64,
    #[serde(skip)]
    pub size: Size,
}

/// The whole table, under the names it has in JSON.
#[derive(Debug, Serialize)]
struct Table {
    seed: u64,
    rows_fitted: usize,
    rows_measured: usize,
    recommended_bytes: Option<usize>,
    results: Vec<Row>,
}

/// Rows to fit, rows to measure, and neighbours to find again.
struct Rows {
    split: Split,
    fitted: Vec<f32>,
    measured: Vec<f32>,
    truth: Truth,
}

pub fn run(args: &EvalArgs) -> Result<()> {
    check(args)?;
    let mut data = input::open(&args.data, args.tensor.name())?;
    data.expect_rows()?;
    let mut engine = args.engine.engine()?;
    let rows = read(&mut data, args)?;
    let (dim, rows_fitted) = (data.dim(), rows.split.fitted.len());
    let sizes = args.size.size().map_or_else(|| table_sizes(dim, rows_fitted), |size| vec![size]);

    let progress = Progress::sizes("measuring", sizes.len());
    let mut results = Vec::with_capacity(sizes.len());
    let mut engine_name = String::new();
    for size in sizes {
        let codec = fit_size(&data, &rows, size, engine.clone())?;
        results.push(measure(&data, &rows, size, &codec)?);
        engine_name = codec.engine().to_string();
        if codec.engine().kind == EngineKind::Cpu {
            // Where the first codec found no GPU, the others need not look for one.
            engine = Engine::Cpu;
        }
        progress.add(1);
    }
    drop(progress);
    results.sort_by_key(|row| row.bytes_per_row);

    let recommended = recommend(&results, args.keep);
    if let Some(path) = &args.plot {
        let name = args.data.file_name().unwrap_or_default().to_string_lossy();
        let title = format!("{name}: {} rows measured", count(rows.split.measured.len()));
        plot::write(path, &title, &results, args.keep)?;
    }
    if args.json {
        return output::json(&Table {
            seed: args.seed,
            rows_fitted,
            rows_measured: rows.split.measured.len(),
            recommended_bytes: recommended.map(|at| results[at].bytes_per_row),
            results,
        });
    }
    output::text(
        &[
            text::heading(&data, &rows.split, args.seed, &engine_name),
            text::lines(&results, recommended),
            text::advice(&results, recommended, args.keep, &args.data),
        ]
        .concat(),
    )
}

/// Refuses options that cannot be met, before any work.
fn check(args: &EvalArgs) -> Result<()> {
    if !(0.0..=1.0).contains(&args.keep) {
        let detail = format!("--keep is {}: pass a share from 0 to 1", args.keep);
        return Err(CliError::Other(detail));
    }
    if args.sample < MIN_ROWS {
        let detail = format!("--sample is {}: pass at least {MIN_ROWS}", args.sample);
        return Err(CliError::Other(detail));
    }
    match &args.plot {
        Some(plot) => {
            output::check(plot, &[&args.data])?;
            plot::check_name(plot)
        }
        None => Ok(()),
    }
}

/// Draws the rows and reads them.
fn read(data: &mut DataReader, args: &EvalArgs) -> Result<Rows> {
    let rows = data.row_count();
    if rows < MIN_ROWS {
        let detail = format!(
            "holds {rows} rows; to fit one half and to search neighbours in the other half takes at \
             least {MIN_ROWS}: pass more rows, or a model with --model"
        );
        return Err(CliError::file(data.path(), detail));
    }
    let split = Split::draw(rows, args.sample, QUERIES, args.seed);
    let (fitted, measured) = (data.read_rows(&split.fitted)?, data.read_rows(&split.measured)?);
    for (numbers, values) in [(&split.fitted, &fitted), (&split.measured, &measured)] {
        // NaN and infinity have no neighbours.
        check_finite(data.path(), |row| numbers[row], values, data.dim())?;
    }
    let truth = Truth::search(&measured, data.dim(), split.queries.clone());
    Ok(Rows { split, fitted, measured, truth })
}

fn fit_size(data: &DataReader, rows: &Rows, size: Size, engine: Engine) -> Result<Codec> {
    let fitted = Model::fit(&rows.fitted, size.config(data.dim()));
    let model = fitted.map_err(|e| in_rows(data, &rows.split.fitted, e))?;
    engine::codec(model, engine)
}

fn measure(data: &DataReader, rows: &Rows, size: Size, codec: &Codec) -> Result<Row> {
    let (measured, dim) = (&rows.measured, data.dim());
    let in_measured = |e| in_rows(data, &rows.split.measured, e);
    let codes = codec.encode_flat(measured).map_err(in_measured)?;
    let mut decoded = vec![0.0; measured.len()];
    codec.decode_into(&codes, &mut decoded)?;
    // The calls above were the first, which fill caches and pools. None of these is.
    let encoding = median_time(|| Ok(codec.encode_flat(measured).map(drop)?))?;
    let decoding = median_time(|| Ok(codec.decode_into(&codes, &mut decoded)?))?;

    let mut sums = ErrorSums::default();
    sums.add(measured, &decoded, dim)?;
    let recall = rows.truth.recall(&Index::new(codec, codes, Metric::Cosine)?)?;
    let (config, count) = (codec.model().config(), rows.split.measured.len() as f64);
    Ok(Row {
        codes: size.codes(),
        bytes_per_row: config.code_size(),
        compression_ratio: data.value_bytes() as f64 / config.code_size() as f64,
        relative_mse: sums.relative_mse(),
        mean_cosine: sums.mean_cosine(),
        recall_at_1: recall.at_1,
        recall_at_10: recall.at_10,
        encode_rows_per_s: count / encoding.as_secs_f64(),
        decode_rows_per_s: count / decoding.as_secs_f64(),
        size,
    })
}

/// An error about the rows of a batch, whose numbers in the file are `numbers`.
fn in_rows(data: &DataReader, numbers: &[usize], error: vecodec::Error) -> CliError {
    CliError::in_rows(data.path(), |row| numbers.get(row).copied().unwrap_or(row), error)
}

/// The median time of repeated passes, which other work on the machine disturbs the least.
fn median_time(mut pass: impl FnMut() -> Result<()>) -> Result<Duration> {
    let (mut total, mut times) = (Duration::ZERO, Vec::new());
    while times.is_empty() || (total < RATE_TIME && times.len() < MAX_PASSES) {
        let (done, time) = timed(&mut pass);
        done?;
        total += time;
        times.push(time);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// The smallest size that keeps a share of the ten nearest rows; of two, the one that keeps more.
fn recommend(results: &[Row], keep: f64) -> Option<usize> {
    let good_enough = (0..results.len()).filter(|at| results[*at].recall_at_10 >= keep);
    good_enough.min_by(|a, b| {
        let (a, b) = (&results[*a], &results[*b]);
        let bytes = a.bytes_per_row.cmp(&b.bytes_per_row);
        bytes.then(b.recall_at_10.total_cmp(&a.recall_at_10))
    })
}
