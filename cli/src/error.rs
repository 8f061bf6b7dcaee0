//! The errors of the program. Each is one line with the file, the value at fault and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use vecodec::Error;

/// `Result` of this program.
pub type Result<T> = std::result::Result<T, CliError>;

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An error that concerns a file.
    #[error("{}: {detail}", path.display())]
    File { path: PathBuf, detail: String },
    /// A figure of a file is past the threshold of `check`.
    #[error("{}: {detail}", path.display())]
    Threshold { path: PathBuf, detail: String },
    /// An error that concerns no file.
    #[error("{0}")]
    Other(String),
    /// The reader of the standard output has left, as `head` does. The program ends quietly.
    #[error("the standard output was closed")]
    Closed,
    /// An error of the library whose message needs no file.
    #[error(transparent)]
    Library(Error),
}

impl CliError {
    pub fn file(path: &Path, detail: impl Into<String>) -> Self {
        Self::File { path: path.to_path_buf(), detail: detail.into() }
    }

    pub fn io(path: &Path, error: io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => {
                return Self::file(path, "there is no such file: check the path");
            }
            io::ErrorKind::UnexpectedEof => {
                return Self::file(path, "it ended while it was read: write it again");
            }
            io::ErrorKind::PermissionDenied => "check its permissions",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
            _ => "check the path and the disk",
        };
        Self::file(path, format!("{error}: {remedy}"))
    }

    /// An error of writing to the standard output.
    pub fn stdout(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Other(format!("stdout: {error}: check where the output is sent")),
        }
    }

    /// An error of loading a model or codes. `remedy` says what to pass instead.
    pub fn in_file(path: &Path, error: Error, remedy: &str) -> Self {
        match error {
            Error::Io { path, source, .. } => Self::io(&path, source),
            Error::Format { path, detail, .. } => Self::file(&path, format!("{detail}: {remedy}")),
            other => Self::file(path, format!("{other}: {remedy}")),
        }
    }

    /// An error about rows of a file. `number` maps the index of a row in the batch to the number
    /// of the row in the file.
    pub fn in_rows(path: &Path, number: impl Fn(usize) -> usize, error: Error) -> Self {
        match error {
            Error::NonFinite { row, column, value, .. } => {
                Self::non_finite(path, number(row), column, value)
            }
            Error::Overflow { row, .. } => {
                let row = number(row);
                let detail =
                    format!("the latent of row {row} exceeds the range of f32: scale the row down");
                Self::file(path, detail)
            }
            Error::ClippedRows { row, .. } => {
                let detail = format!(
                    "row {} lies outside the range of the rows that the model was fitted on: scale the \
                     rows as those were, fit the model to them, or leave out --strict",
                    number(row)
                );
                Self::file(path, detail)
            }
            error @ (Error::TooFewRows { .. } | Error::Fit { .. }) => {
                Self::file(path, error.to_string())
            }
            other => other.into(),
        }
    }

    /// A value of a file that is NaN or infinite.
    pub fn non_finite(path: &Path, row: usize, column: usize, value: f32) -> Self {
        let detail = format!(
            "row {row}, column {column} is {value}: only finite values can be encoded, so repair that \
             row, or use `fit` and `encode` with --skip-invalid drop or --skip-invalid zero"
        );
        Self::file(path, detail)
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        match error {
            Error::Io { path, source, .. } => Self::io(&path, source),
            // The library's remedy is a line of Rust. The program's remedy is an option.
            Error::NoAdapter { wanted, found, .. } => Self::Other(format!(
                "no GPU adapter {wanted}; found: {found}: install a driver, or use --engine cpu"
            )),
            Error::DeviceLost { detail, .. } => Self::Other(format!(
                "the GPU device was lost ({detail}): run the command again, or use --engine cpu"
            )),
            error @ (Error::Limit { .. } | Error::OutOfMemory { .. } | Error::Gpu { .. }) => {
                let text = error.to_string().replace("Engine::Cpu", "--engine cpu");
                let named = text.contains("--engine cpu");
                Self::Other(if named { text } else { format!("{text}; or use --engine cpu") })
            }
            other => Self::Library(other),
        }
    }
}
