//! How errors are made, and completed on their way to the caller.

use std::path::Path;

use rayon::iter::IndexedParallelIterator;

use super::{Error, Result};

/// The remedy where not even one row of a model fits an adapter.
pub(crate) const OTHER_ADAPTER: &str = "use another adapter, or Engine::Cpu";

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    /// The same error of too little memory of the GPU, with the bytes that were asked for.
    #[cfg(feature = "gpu")]
    pub(crate) fn with_bytes_required(mut self, bytes: u64) -> Self {
        if let Self::OutOfMemory { required, .. } = &mut self {
            *required = bytes;
        }
        self
    }

    /// The same error of too little memory of the GPU, with the bytes that are in use.
    #[cfg(feature = "gpu")]
    pub(crate) fn with_bytes_held(mut self, bytes: u64) -> Self {
        if let Self::OutOfMemory { held, .. } = &mut self {
            *held = bytes;
        }
        self
    }

    pub(crate) fn format(path: &Path, detail: impl Into<String>) -> Self {
        Self::Format { path: path.to_path_buf(), detail: detail.into() }
    }

    /// The error with `first_row` added to the number of the row that it names, if it names one.
    ///
    /// For callers that pass rows block by block: the library counts from the first row of a
    /// block, and a user counts from the first row of the file.
    #[must_use]
    pub fn with_row_offset(self, first_row: usize) -> Self {
        self.with_row(|row| first_row + row)
    }

    /// The error with another number of the row that it names, if it names one.
    pub(crate) fn with_row(mut self, number: impl FnOnce(usize) -> usize) -> Self {
        match &mut self {
            Self::RowLength { row, .. }
            | Self::NonFinite { row, .. }
            | Self::Overflow { row }
            | Self::InvalidScale { row, .. }
            | Self::UnknownRegion { row, .. }
            | Self::ClippedRows { row, .. } => *row = number(*row),
            _ => {}
        }
        self
    }
}

/// The first error of a batch that several threads work on, in the order of the batch: it names the same row however many
/// threads there are.
pub(crate) fn first_error(results: impl IndexedParallelIterator<Item = Result<()>>) -> Result<()> {
    results.reduce(|| Ok(()), Result::and)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn rows_are_counted_from_the_offset() {
        let error = Error::NonFinite { row: 3, column: 1, value: f32::NAN };
        let error = error.with_row_offset(1000);
        assert!(error.to_string().starts_with("row 1003, column 1 is NaN"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Input);
        let error = Error::TooFewRows { rows: 3, latent_dim: 4 }.with_row_offset(1000);
        assert!(matches!(error, Error::TooFewRows { rows: 3, .. }), "{error}");
        assert_eq!(format!("{:>8}", ErrorKind::Limit), "   limit");
    }
}
