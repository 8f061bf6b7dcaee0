//! `vecodec fit` fits a model to training vectors.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use vecodec::{FitOptions, Model};

use crate::args::{EngineArg, FitArgs, ObjectiveArg};
use crate::engine;
use crate::error::{CliError, Result};
use crate::input;
use crate::numbers::{seconds, smaller};
use crate::output;
use crate::progress::Progress;
use crate::regular;
use crate::rows::{InvalidRows, check_finite};
use crate::size::Size;
use crate::source::Source;

/// What was done, under the names in JSON.
#[derive(Serialize)]
struct Report {
    output: String,
    /// Of the file.
    rows: usize,
    /// Rows of these that were fitted on.
    rows_used: usize,
    /// Of the rows that were read.
    invalid_rows: usize,
    dim: usize,
    latent: usize,
    regions: usize,
    /// Of the weights that queries give to latents.
    query_exponent: f32,
    /// What the fit noticed about the rows.
    warnings: Vec<String>,
    bytes_per_row: usize,
    ratio: f64,
    seconds: f64,
}

pub fn run(args: &FitArgs) -> Result<()> {
    regular::check_output(&args.output, "models")?;
    let (queries, old) = (args.queries.as_ref(), args.warm_start.as_ref());
    let inputs: Vec<&Path> =
        [&args.train].into_iter().chain(queries).chain(old).map(PathBuf::as_path).collect();
    output::check(&args.output, &inputs)?;
    output::check_name(&args.output, "models")?;
    let mut data = Source::open(&args.train, args.tensor.name())?;
    if let EngineArg::Gpu = args.engine {
        // Fails now rather than in the first command that uses the model.
        args.engine.engine()?;
    }
    if args.queries.is_some() && args.objective == ObjectiveArg::Reconstruction {
        let detail = "--queries has no use with --objective reconstruction: leave out one of them";
        return Err(CliError::Other(detail.to_owned()));
    }
    let Some(size) = args.size.size() else {
        return Err(CliError::Other("no size is given: pass --bytes or --latent".to_owned()));
    };
    let size = match size {
        Size::Int8 { latent, .. } => {
            Size::Int8 { latent, relu: args.relu, normalize: args.normalize }
        }
        bits => bits,
    };

    if let Some(old) = old {
        regular::check_input(old, "models")?;
    }
    let old = old.map(|path| engine::model(path)).transpose()?;

    let start = Instant::now();
    let queries = queries.map(|path| read_queries(path, data.dim())).transpose()?;
    let rows_in_file = data.row_count();
    let mut sample = data.sample(args.sample, args.seed)?;
    let mut values = std::mem::take(&mut sample.values);
    let number = |at: usize| sample.number(at);
    let mut invalid = InvalidRows::new(args.skip_invalid);
    invalid.clean(number, &mut values, data.dim());
    invalid.note(data.path());
    if values.is_empty() {
        let detail = "has no row without NaN or infinity: pass at least one valid row";
        return Err(CliError::file(data.path(), detail));
    }
    let spinner = Progress::spinner("fitting");
    let config = size.config_with(data.dim(), |bits| {
        let bits = bits.with_regions(args.regions).with_row_norm(args.row_norm.into());
        bits.with_objective(args.objective.into())
    });
    let mut options = FitOptions::default().with_seed(args.seed);
    if let Some(queries) = &queries {
        options = options.with_queries(queries);
    }
    if let Some(old) = &old {
        options = options.with_warm_start(old);
    }
    let (model, fit) = Model::fit_with(&values, config, options)
        .map_err(|e| CliError::in_rows(data.path(), |row| invalid.number(number, row), e))?;
    drop(spinner);
    for warning in &fit.warnings {
        output::note(&format!("{}: warning: {warning}", data.path().display()));
    }
    model.save(&args.output)?;

    let config = model.config();
    let report = Report {
        output: args.output.display().to_string(),
        rows: rows_in_file,
        rows_used: fit.rows_used,
        invalid_rows: invalid.count(),
        dim: config.dim,
        latent: config.latent_dim,
        regions: model.region_count(),
        query_exponent: fit.query_exponent,
        warnings: fit.warnings.iter().map(ToString::to_string).collect(),
        bytes_per_row: config.code_size(),
        ratio: (data.dim() * data.kind().bytes()) as f64 / config.code_size() as f64,
        seconds: start.elapsed().as_secs_f64(),
    };
    let sample = match (report.rows_used, report.rows) {
        (used, all) if used == all => all.to_string(),
        (used, all) => format!("{used} of {all}"),
    };
    let note = format!(
        "{}: fitted {} values to {} latents on {sample} rows in {}; {} bytes per row, {} {}",
        report.output,
        report.dim,
        report.latent,
        seconds(report.seconds),
        report.bytes_per_row,
        smaller(report.ratio),
        data.kind().name(),
    );
    output::report(args.json, &note, &report)
}

/// The queries of a file: rows of as many values as the training vectors.
fn read_queries(path: &Path, dim: usize) -> Result<Vec<f32>> {
    let mut data = input::open(path, None)?;
    data.expect_rows()?;
    if data.dim() != dim {
        let detail = format!(
            "has queries of {} values, and the training vectors have {dim}: pass queries of {dim}",
            data.dim()
        );
        return Err(CliError::file(path, detail));
    }
    let values = input::sample(&mut data, usize::MAX, 0)?.values;
    check_finite(path, |row| row, &values, dim)?;
    Ok(values)
}
