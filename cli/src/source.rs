//! Where the rows of a fit come from.

use std::path::Path;

use vecodec::data::{DataReader, Kind, Sample};

use crate::error::Result;
use crate::input;
#[cfg(feature = "parquet")]
use crate::parquet;

/// A data file, or Parquet files.
pub enum Source {
    Data(DataReader),
    /// With the number of values per row.
    #[cfg(feature = "parquet")]
    Parquet(parquet::Files, usize),
}

impl Source {
    /// Opens the file or files of a path. `name` is that of the tensor or column.
    pub fn open(path: &Path, name: Option<&str>) -> Result<Self> {
        #[cfg(feature = "parquet")]
        if parquet::is_named(path) {
            let files = parquet::Files::of_embeddings(path, name)?;
            let dim = files.dim()?;
            return Ok(Self::Parquet(files, dim));
        }
        let data = input::open(path, name)?;
        data.expect_rows()?;
        Ok(Self::Data(data))
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Data(data) => data.path(),
            #[cfg(feature = "parquet")]
            Self::Parquet(files, _) => files.path(),
        }
    }

    pub fn dim(&self) -> usize {
        match self {
            Self::Data(data) => data.dim(),
            #[cfg(feature = "parquet")]
            Self::Parquet(_, dim) => *dim,
        }
    }

    pub fn row_count(&self) -> usize {
        match self {
            Self::Data(data) => data.row_count(),
            #[cfg(feature = "parquet")]
            Self::Parquet(files, _) => files.row_count(),
        }
    }

    /// What values are in the file.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Data(data) => data.cells().kind,
            #[cfg(feature = "parquet")]
            Self::Parquet(files, _) => files.kind(),
        }
    }

    /// Reads at most `max_rows` rows, drawn at random from more.
    pub fn sample(&mut self, max_rows: usize, seed: u64) -> Result<Sample> {
        match self {
            Self::Data(data) => input::sample(data, max_rows, seed),
            #[cfg(feature = "parquet")]
            Self::Parquet(files, dim) => files.sample(*dim, max_rows, seed),
        }
    }
}
