//! A data file that decoded rows are written to.

use std::path::Path;

use super::{Format, npy, tensors};
use crate::error::{CliError, Result};
use crate::newfile::NewFile;

/// A data file that gets its name when it is finished. Dropping it earlier deletes it.
pub struct DataWriter {
    file: NewFile,
    /// Values that are still to come.
    missing: usize,
}

impl DataWriter {
    /// Begins a file of `rows` rows. Its name decides its format.
    pub fn create(path: &Path, rows: usize, dim: usize) -> Result<Self> {
        let header = match Format::of(path)? {
            Format::Npy => npy::header(path, rows, dim)?,
            Format::Safetensors => tensors::header(path, rows, dim)?,
            Format::Fvecs => {
                let detail = ".fvecs is read but not written: name it .npy or .safetensors";
                return Err(CliError::file(path, detail));
            }
        };
        let Some(missing) = rows.checked_mul(dim) else {
            let detail = format!("{rows} rows of {dim} values exceed any file: write fewer");
            return Err(CliError::file(path, detail));
        };
        let mut file = NewFile::create(path)?;
        file.append(&header)?;
        Ok(Self { file, missing })
    }

    /// Appends rows.
    pub fn append(&mut self, rows: &[f32]) -> Result<()> {
        self.missing = self.missing.checked_sub(rows.len()).ok_or_else(|| {
            CliError::file(self.file.path(), "more rows were written than its header has")
        })?;
        self.file.append(bytemuck::cast_slice(rows))
    }

    /// Renames the complete file to its final name, which replaces an older file of this name.
    pub fn finish(self) -> Result<()> {
        let Self { file, missing } = self;
        if missing != 0 {
            let detail = format!("{missing} values of its header were not written");
            return Err(CliError::file(file.path(), detail));
        }
        file.finish()
    }
}
