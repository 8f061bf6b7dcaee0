//! Decoded rows on their way to disk: a file that takes its name only when complete.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Format, npy, tensors};
use crate::error::{CliError, Result};

/// A data file under construction. Dropped before it is finished, nothing is left of it.
pub struct DataWriter {
    temp: NamedTempFile,
    path: PathBuf,
    /// Values that are still to come.
    missing: usize,
}

impl DataWriter {
    /// Begins a file of `rows` rows, its format told by its name.
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
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".vecodec-").suffix(".tmp");
        #[cfg(unix)]
        {
            // What the umask leaves of this, as for any new file; the default is 0600.
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut temp = builder.tempfile_in(folder).map_err(|e| CliError::io(path, e))?;
        temp.write_all(&header).map_err(|e| CliError::io(path, e))?;
        Ok(Self { temp, path: path.to_path_buf(), missing })
    }

    /// Appends rows.
    pub fn append(&mut self, rows: &[f32]) -> Result<()> {
        self.missing = self.missing.checked_sub(rows.len()).ok_or_else(|| {
            CliError::file(&self.path, "more rows were written than its header tells")
        })?;
        let written = self.temp.write_all(bytemuck::cast_slice(rows));
        written.map_err(|e| CliError::io(&self.path, e))
    }

    /// Gives the complete file its name, in place of what had it before.
    pub fn finish(self) -> Result<()> {
        let Self { temp, path, missing } = self;
        if missing != 0 {
            let detail = format!("{missing} values are missing that its header tells of");
            return Err(CliError::file(&path, detail));
        }
        temp.as_file().sync_all().map_err(|e| CliError::io(&path, e))?;
        temp.persist(&path).map_err(|e| CliError::io(&path, e.error))?;
        Ok(())
    }
}
