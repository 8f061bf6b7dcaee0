//! The choice of rows: a range of rows, and what is done with rows that cannot be encoded.

use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use crate::error::{CliError, Result};
use crate::numbers::count;
use crate::output;

/// Numbers of invalid rows that a note lists.
const NUMBERS_SHOWN: usize = 10;

/// A range of rows on the command line: `A..B`, `A..` or `..B`, without row `B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRange {
    start: usize,
    end: Option<usize>,
}

impl FromStr for RowRange {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let number = |text: &str| {
            text.parse().map_err(|_| format!("{text:?} is no row number: write A..B, A.. or ..B"))
        };
        let (start, end) = text.split_once("..").ok_or("write A..B, A.. or ..B")?;
        let start = if start.is_empty() { 0 } else { number(start)? };
        let end = if end.is_empty() { None } else { Some(number(end)?) };
        Ok(Self { start, end })
    }
}

impl RowRange {
    /// The rows of a file with `rows` rows. Without a range, all rows.
    pub fn within(range: Option<Self>, path: &Path, rows: usize) -> Result<Range<usize>> {
        let Some(Self { start, end }) = range else { return Ok(0..rows) };
        let end = end.unwrap_or(rows.max(start));
        if end < start {
            let detail = format!("--rows {start}..{end} ends before it begins: swap the numbers");
            return Err(CliError::Other(detail));
        }
        if end > rows || start > rows {
            let detail = format!(
                "has {rows} rows, and --rows {start}..{end} was asked for: stay within 0..{rows}"
            );
            return Err(CliError::file(path, detail));
        }
        Ok(start..end)
    }
}

/// What is done with rows that have a NaN or an infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SkipInvalid {
    /// Leave the rows out, so that later rows move up
    Drop,
    /// Put rows of zeros in their stead
    Zero,
}

/// Handles invalid rows, and remembers which they were.
pub struct InvalidRows {
    action: Option<SkipInvalid>,
    /// The numbers of the first invalid rows.
    first: Vec<usize>,
    count: usize,
    /// The numbers of the rows that the last block still has; empty if it has all of its rows.
    numbers: Vec<usize>,
}

impl InvalidRows {
    /// Without an action, invalid rows are left to the codec, which refuses them.
    pub fn new(action: Option<SkipInvalid>) -> Self {
        Self { action, first: Vec::new(), count: 0, numbers: Vec::new() }
    }

    /// The number of invalid rows so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Drops or clears the invalid rows of a block `[rows, dim]`. `number` gives the number in the file of
    /// each row of the block.
    pub fn clean(&mut self, number: impl Fn(usize) -> usize, rows: &mut Vec<f32>, dim: usize) {
        self.numbers.clear();
        let Some(action) = self.action else { return };
        let is_invalid = |row: &[f32]| row.iter().any(|value| !value.is_finite());
        if !is_invalid(rows) {
            return;
        }
        let row_count = rows.len() / dim;
        let mut end = 0;
        for at in 0..row_count {
            let row = at * dim..(at + 1) * dim;
            if is_invalid(&rows[row.clone()]) {
                self.count += 1;
                if self.first.len() < NUMBERS_SHOWN {
                    self.first.push(number(at));
                }
                match action {
                    SkipInvalid::Drop => continue,
                    SkipInvalid::Zero => rows[row.clone()].fill(0.0),
                }
            }
            rows.copy_within(row, end);
            end += dim;
            self.numbers.push(number(at));
        }
        rows.truncate(end);
    }

    /// The number in the file of a row that the last block still has. `number` is that of [`clean`].
    ///
    /// [`clean`]: Self::clean
    pub fn number(&self, number: impl Fn(usize) -> usize, row: usize) -> usize {
        self.numbers.get(row).copied().unwrap_or_else(|| number(row))
    }

    /// Says on stderr which rows were invalid.
    pub fn note(&self, path: &Path) {
        let done = match self.action {
            Some(SkipInvalid::Drop) => "dropped",
            Some(SkipInvalid::Zero) => "replaced by zeros",
            None => return,
        };
        let shown: Vec<String> = self.first.iter().map(usize::to_string).collect();
        let more = match self.count - self.first.len() {
            0 => String::new(),
            more => format!(" and {} more", count(more)),
        };
        let rows = if self.count == 1 { "row" } else { "rows" };
        let list = if self.count == 0 { "" } else { ": " };
        output::note(&format!(
            "{}: {} {rows} with NaN or infinity {done}{list}{}{more}",
            path.display(),
            count(self.count),
            shown.join(", "),
        ));
    }
}

/// Refuses NaN and infinity. `number` gives the number in the file of a row of the values.
pub fn check_finite(
    path: &Path,
    number: impl Fn(usize) -> usize,
    values: &[f32],
    dim: usize,
) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(CliError::non_finite(path, number(at / dim), at % dim, values[at])),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parsed_and_checked() {
        let within = |text: &str, rows| {
            RowRange::within(Some(text.parse().unwrap()), Path::new("x"), rows).ok()
        };
        for (text, rows, expected) in [
            ("2..5", 9, Some(2..5)),
            ("2..", 9, Some(2..9)),
            ("..5", 9, Some(0..5)),
            ("..", 9, Some(0..9)),
            ("9..", 9, Some(9..9)),
            ("4..4", 9, Some(4..4)),
            ("10..", 9, None),
            ("5..2", 9, None),
            ("0..10", 9, None),
            ("..18446744073709551615", 9, None),
        ] {
            assert_eq!(within(text, rows), expected, "{text}");
        }
        assert_eq!(RowRange::within(None, Path::new("x"), 7).ok(), Some(0..7));
        for text in ["", "5", "a..5", "1..b", "-1..5", "1..=5", "1...5", "18446744073709551616.."] {
            assert!(text.parse::<RowRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn invalid_rows_are_dropped_or_cleared() {
        let block = || vec![1.0, 2.0, f32::NAN, 4.0, 5.0, 6.0, 7.0, f32::INFINITY];
        let mut rows = block();
        let mut invalid = InvalidRows::new(Some(SkipInvalid::Drop));
        invalid.clean(|at| 10 + at, &mut rows, 2);
        assert_eq!(rows, [1.0, 2.0, 5.0, 6.0]);
        assert_eq!((invalid.first.as_slice(), invalid.count()), ([11, 13].as_slice(), 2));
        assert_eq!([0, 1].map(|row| invalid.number(|at| 10 + at, row)), [10, 12]);
        let mut rows = block();
        let mut invalid = InvalidRows::new(Some(SkipInvalid::Zero));
        invalid.clean(|at| 10 + at, &mut rows, 2);
        assert_eq!(rows, [1.0, 2.0, 0.0, 0.0, 5.0, 6.0, 0.0, 0.0]);
        assert_eq!(invalid.number(|at| 10 + at, 3), 13);
        // A block without invalid rows has its own numbers again.
        invalid.clean(|at| 20 + at, &mut vec![1.0; 4], 2);
        assert_eq!((invalid.count(), invalid.number(|at| 20 + at, 1)), (2, 21));
    }
}
