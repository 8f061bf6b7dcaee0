//! `vecodec check` compares rows with those that a model was fitted on, block by block.

use serde::Serialize;
use vecodec::Drift;
use vecodec::data::blocks;

use crate::args::CheckArgs;
use crate::engine;
use crate::error::{CliError, Result};
use crate::input;
use crate::numbers::number;
use crate::output;
use crate::progress::Progress;
use crate::regular;
use crate::rows::InvalidRows;

/// The figures under their names in JSON.
#[derive(Serialize)]
struct Report {
    rows: usize,
    invalid_rows: usize,
    fitted_rows: usize,
    relative_mse: f64,
    fitted_relative_mse: f64,
    ratio: f64,
    clipped_rows: usize,
    /// Its number in the file.
    first_clipped_row: Option<usize>,
    engine: String,
}

pub fn run(args: &CheckArgs) -> Result<()> {
    regular::check_input(&args.model, "models")?;
    let mut data = input::open(&args.data, args.tensor.name())?;
    data.expect_rows()?;
    let codec = engine::codec(engine::model_for(&args.model, &data)?, args.engine.engine()?)?;
    let Some(fitted_rows) = codec.model().fit_facts().map(|facts| facts.rows) else {
        let detail = "does not know the rows of its fit, because it was made from weights or by an \
                      earlier version: fit it again, or use `eval`";
        return Err(CliError::file(&args.model, detail));
    };

    let mut invalid = InvalidRows::new(args.skip_invalid);
    let progress = Progress::rows("checking", data.row_count(), data.row_bytes());
    let (mut all, mut first_clipped_row): (Option<Drift>, _) = (None, None);
    let mut values = Vec::new();
    for range in blocks(0..data.row_count(), data.dim()) {
        data.read(range.clone(), &mut values)?;
        let number = |at| range.start + at;
        invalid.clean(number, &mut values, data.dim());
        if !values.is_empty() {
            let number = |row| invalid.number(number, row);
            let drift = codec.check_flat(&values);
            let drift = drift.map_err(|e| CliError::in_rows(&args.data, number, e))?;
            first_clipped_row = first_clipped_row.or(drift.first_clipped_row.map(number));
            all = Some(match all {
                Some(all) => all.merged(drift),
                None => drift,
            });
        }
        progress.add(range.len());
    }
    drop(progress);
    invalid.note(&args.data);
    let Some(drift) = all else {
        let detail = "has no row without NaN or infinity: pass at least one valid row";
        return Err(CliError::file(&args.data, detail));
    };

    let report = Report {
        rows: drift.rows,
        invalid_rows: invalid.count(),
        fitted_rows,
        relative_mse: drift.relative_mse,
        fitted_relative_mse: drift.fitted_relative_mse,
        ratio: drift.ratio(),
        clipped_rows: drift.clipped_rows,
        first_clipped_row,
        engine: codec.engine().to_string(),
    };
    if args.json {
        output::json(&report)?
    } else {
        report.print()?
    }
    match args.threshold {
        // A ratio that is no number is past every threshold.
        Some(threshold) if report.ratio.is_nan() || report.ratio > threshold => {
            let ratio = number(report.ratio, 3);
            let detail = format!(
                "the error is {ratio} times that of the fit, and --threshold is {threshold}: fit the \
                 model to such rows"
            );
            Err(CliError::Threshold { path: args.data.clone(), detail })
        }
        _ => Ok(()),
    }
}

impl Report {
    fn print(&self) -> Result<()> {
        let first = self.first_clipped_row.map(|row| format!(", the first is row {row}"));
        output::table(&[
            ("rows", self.rows.to_string()),
            ("rows of the fit", self.fitted_rows.to_string()),
            ("relative mse", number(self.relative_mse, 3)),
            ("relative mse of the fit", number(self.fitted_relative_mse, 3)),
            ("ratio", number(self.ratio, 3)),
            ("clipped rows", format!("{}{}", self.clipped_rows, first.unwrap_or_default())),
            ("engine", self.engine.clone()),
        ])
    }
}
