//! A data file that decoded rows are written to.

use std::path::Path;

use super::{Format, npy, tensors};
use crate::error::{CliError, Result};
use crate::newfile::NewFile;

/// A data file under construction. Nothing is left of it if it is dropped before it is finished.
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
            CliError::file(self.file.path(), "more rows were written than its header tells")
        })?;
        self.file.append(bytemuck::cast_slice(rows))
    }

    /// Gives the complete file its name, in place of the file that had the name before.
    pub fn finish(self) -> Result<()> {
        let Self { file, missing } = self;
        if missing != 0 {
            let detail = format!("{missing} values are missing that its header tells of");
            return Err(CliError::file(file.path(), detail));
        }
        file.finish()
    }
}
