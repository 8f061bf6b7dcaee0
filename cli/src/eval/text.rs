//! A table as people read it.

use std::path::Path;

use super::split::Split;
use super::table::Row;
use crate::data::DataReader;
use crate::numbers::{count, grouped, number};
use crate::output;

/// What was measured, and how.
pub fn heading(data: &DataReader, split: &Split, seed: u64, engine: &str) -> String {
    let name = data.path().display();
    let (rows, used) = (data.row_count(), split.fitted.len() + split.measured.len());
    let sample = if used < rows {
        format!("{} rows of its {}, drawn at random", count(used), count(rows))
    } else {
        format!("all {} rows", count(rows))
    };
    format!(
        "{name}: {sample}, {} values per row\n\
         {} rows were fitted, the {} others measured: a random split, --seed {seed}\n\
         recall: {} of the measured rows searched among all measured rows, by cosine similarity\n\
         engine: {engine}\n\n",
        count(data.dim()),
        count(split.fitted.len()),
        count(split.measured.len()),
        count(split.queries.len()),
    )
}

/// The table, with `*` before the recommended size.
pub fn lines(results: &[Row], recommended: Option<usize>) -> String {
    let heads = [
        "",
        "bytes",
        "codes",
        "ratio",
        "relative MSE",
        "mean cosine",
        "recall@1",
        "recall@10",
        "encode rows/s",
        "decode rows/s",
    ];
    let mut table = vec![heads.map(str::to_owned)];
    table.extend(results.iter().enumerate().map(|(at, row)| {
        [
            if recommended == Some(at) { "*".to_owned() } else { String::new() },
            row.bytes_per_row.to_string(),
            row.codes.to_owned(),
            number(row.compression_ratio.into(), 1),
            number(row.relative_mse, 2),
            number(row.mean_cosine, 4),
            number(row.recall_at_1, 3),
            number(row.recall_at_10, 3),
            grouped(row.encode_rows_per_s),
            grouped(row.decode_rows_per_s),
        ]
    }));
    output::aligned(&table)
}

/// The recommended size, with the command that fits it.
pub fn advice(results: &[Row], recommended: Option<usize>, keep: f64, data: &Path) -> String {
    let best = results.iter().max_by(|a, b| a.recall_at_10.total_cmp(&b.recall_at_10));
    let (row, text) = match (recommended.map(|at| &results[at]), best) {
        (Some(row), _) => (
            row,
            format!(
                "* recommended: {} bytes per row ({}), the fewest that keep {keep} of the ten \
                 nearest rows",
                row.bytes_per_row, row.codes
            ),
        ),
        (None, Some(row)) => (
            row,
            format!(
                "no size keeps {keep} of the ten nearest rows; {} bytes per row ({}) keep the \
                 most, {}",
                row.bytes_per_row,
                row.codes,
                number(row.recall_at_10, 3)
            ),
        ),
        (None, None) => return String::new(),
    };
    let (data, options) = (data.display(), row.size.options());
    format!("\n{text}\n  vecodec fit {data} {options} -o model.safetensors\n")
}
