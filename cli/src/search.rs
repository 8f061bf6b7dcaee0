//! `vecodec search` searches codes for the nearest rows of queries.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use vecodec::data::{DataReader, Format, blocks};
use vecodec::{Hits, Index, Metric, SearchMode, SearchOptions};

use crate::args::SearchArgs;
use crate::decode;
use crate::engine;
use crate::error::{CliError, Result};
use crate::input;
use crate::numbers::{number, seconds};
use crate::output;
use crate::progress::Progress;
use crate::regular;
use crate::rows::check_finite;
use crate::writer::write_arrays;

/// Digits of a score that are printed.
const DIGITS: usize = 5;

/// What was done, under the names in JSON.
#[derive(Serialize)]
struct Report<'a> {
    rows: usize,
    queries: usize,
    k: usize,
    metric: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    engine: String,
    seconds: f64,
    /// `[queries, k]`
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<&'a [u64]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Vec<&'a [f32]>>,
}

pub fn run(args: &SearchArgs) -> Result<()> {
    check(args)?;
    let mut queries = input::open(&args.queries, args.tensor.name())?;
    queries.expect_rows()?;
    let index = open(args, &queries)?;
    let start = Instant::now();
    let mode = match args.recall {
        1.0 => SearchMode::Exact,
        recall => SearchMode::Approximate { recall },
    };
    let hits = search(&index, &mut queries, args.k, mode)?;
    let seconds_taken = start.elapsed().as_secs_f64();
    if let Some(path) = &args.output {
        write(path, &hits)?;
    }

    let is_listed = args.json && args.output.is_none();
    let each = || (0..hits.query_count()).map(|number| hits.query(number));
    let report = Report {
        rows: index.len(),
        queries: queries.row_count(),
        k: hits.k(),
        metric: index.metric().as_str(),
        output: args.output.as_ref().map(|path| path.display().to_string()),
        engine: index.codec().engine().to_string(),
        seconds: seconds_taken,
        ids: is_listed.then(|| each().map(|(ids, _)| ids).collect()),
        scores: is_listed.then(|| each().map(|(_, scores)| scores).collect()),
    };
    if args.output.is_none() && !args.json {
        output::text(&table(&hits))?;
    }
    let note = format!(
        "{} queries among {} rows by {}, {} hits each; {}",
        report.queries,
        report.rows,
        report.metric,
        report.k,
        seconds(report.seconds),
    );
    output::report(args.json, &note, &report)
}

fn check(args: &SearchArgs) -> Result<()> {
    regular::check_input(&args.model, "models")?;
    let Some(path) = &args.output else { return Ok(()) };
    output::check(path, &[&args.codes, &args.model, &args.queries])?;
    match Format::of(path) {
        Ok(Format::Npz) => Ok(()),
        _ => Err(CliError::file(path, "hits are written as .npz: rename it")),
    }
}

/// Opens an index, or makes one of a file of codes.
fn open(args: &SearchArgs, queries: &DataReader) -> Result<Index> {
    let engine = args.engine.engine()?;
    #[cfg(feature = "parquet")]
    if crate::parquet::is_named(&args.codes) {
        let index = crate::parquet::index(args, engine)?;
        engine::check_rows(index.codec().model(), &args.model, queries)?;
        return Ok(index);
    }
    if !args.codes.is_dir() {
        let mut reader = decode::open(&args.codes)?;
        let model = decode::model_of(&reader, &args.codes, &args.model)?;
        engine::check_rows(&model, &args.model, queries)?;
        let codec = engine::codec(model, engine)?;
        let index = Index::empty(&codec, args.metric.unwrap_or(Metric::Cosine));
        let rows = reader.row_count();
        if rows > 0 {
            let read = reader.read_with_ids(0..rows);
            let (codes, ids) = read.map_err(|e| decode::in_codes(&args.codes, e))?;
            let appended = match reader.has_ids() {
                true => index.append_with_ids(codes, &ids),
                false => index.append(codes),
            };
            appended.map_err(|e| decode::in_codes(&args.codes, e))?;
        }
        return Ok(index);
    }
    let codec = engine::codec(engine::model_for(&args.model, queries)?, engine)?;
    let remedy = "pass the folder of an index, and the model of its codes";
    let index = Index::open(&codec, &args.codes);
    let index = index.map_err(|e| CliError::in_file(&args.codes, e, remedy))?;
    match args.metric {
        Some(metric) if metric != index.metric() => {
            let detail = format!("compares by {}: leave out --metric {metric}", index.metric());
            Err(CliError::file(&args.codes, detail))
        }
        _ => Ok(index),
    }
}

/// Searches block by block.
fn search(index: &Index, queries: &mut DataReader, k: usize, mode: SearchMode) -> Result<Hits> {
    let options = SearchOptions::default().with_mode(mode);
    let (rows, dim) = (queries.row_count(), queries.dim());
    let progress = Progress::rows("searching", rows, queries.row_bytes());
    let (mut all, mut values) = (Hits::default(), Vec::new());
    for block in blocks(0..rows, dim) {
        queries.read(block.clone(), &mut values)?;
        check_finite(queries.path(), |row| block.start + row, &values, dim)?;
        all.append(index.search_with(&values, k, options)?);
        progress.add(block.len());
    }
    Ok(all)
}

/// Writes `ids` and `scores`. An id of no row is -1, and ids beyond int64 cannot be written.
fn write(path: &Path, hits: &Hits) -> Result<()> {
    let id = |id: &u64| match *id {
        u64::MAX => Ok(-1),
        id => i64::try_from(id).map_err(|_| {
            CliError::file(path, format!("id {id} exceeds int64: leave out -o, and use --json"))
        }),
    };
    let ids = hits.ids.iter().map(id).collect::<Result<Vec<i64>>>()?;
    let arrays = [
        ("ids", "<i8", bytemuck::cast_slice(&ids)),
        ("scores", "<f4", bytemuck::cast_slice(&hits.scores)),
    ];
    write_arrays(path, (hits.query_count(), hits.k()), &arrays)
}

/// A line for each hit.
fn table(hits: &Hits) -> String {
    let header = ["query", "rank", "id", "score"].map(str::to_owned);
    let each = (0..hits.query_count()).flat_map(|query| {
        let (ids, scores) = hits.query(query);
        let hit = move |(rank, (id, score)): (usize, (&u64, &f32))| {
            let (query, rank) = (query.to_string(), (rank + 1).to_string());
            [query, rank, id.to_string(), number(f64::from(*score), DIGITS)]
        };
        ids.iter().zip(scores).enumerate().map(hit)
    });
    output::aligned(&std::iter::once(header).chain(each).collect::<Vec<_>>())
}
