//! A table as people read it.

use std::path::Path;

use vecodec::data::DataReader;

use super::split::Split;
use super::table::Row;
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
         recall: {} queries among the measured rows, by cosine similarity; more rows give lower recall\n\
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
            number(row.compression_ratio, 1),
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
    let best = results.iter().max_by(|a, b| {
        let recall = a.recall_at_10.total_cmp(&b.recall_at_10);
        recall.then(b.bytes_per_row.cmp(&a.bytes_per_row))
    });
    let (row, text) = match (recommended.map(|at| &results[at]), best) {
        (Some(row), _) => {
            let size = size(row);
            let text = format!(
                "* recommended: {size}, the smallest size that keeps {keep} of the ten nearest rows"
            );
            (row, text)
        }
        (None, Some(row)) => {
            let (size, recall) = (size(row), number(row.recall_at_10, 3));
            let text = format!(
                "no size keeps {keep} of the ten nearest rows; {size} keeps the most, {recall}"
            );
            (row, text)
        }
        (None, None) => return String::new(),
    };
    let (data, options) = (quoted(data), row.size.options());
    format!("\n{text}\n  vecodec fit {data} {options} -o model.safetensors\n")
}

fn size(row: &Row) -> String {
    let bytes = if row.bytes_per_row == 1 { "byte" } else { "bytes" };
    format!("{} at {} {bytes} per row", row.codes, row.bytes_per_row)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\:._-+".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_would_split_them() {
        for (path, text) in [
            ("a/data-1.npy", "a/data-1.npy"),
            ("my data.npy", "'my data.npy'"),
            ("it's.npy", r"'it'\''s.npy'"),
        ] {
            assert_eq!(quoted(Path::new(path)), text);
        }
    }
}
