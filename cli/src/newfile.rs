//! An output file that takes its name only when it is complete.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{CliError, Result};

/// A temporary file that gets its name when it is finished. Dropping it earlier deletes it.
pub struct NewFile {
    temp: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Creates the temporary file in the folder of its final name.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".vecodec-").suffix(".tmp");
        #[cfg(unix)]
        {
            // The umask applies to this mode, as for any new file; the default is 0600.
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temp = builder.tempfile_in(folder).map_err(|e| CliError::io(path, e))?;
        Ok(Self { temp, path: path.to_path_buf() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.temp.write_all(bytes).map_err(|e| CliError::io(&self.path, e))
    }

    /// Renames the file to its final name, which replaces an older file of this name.
    pub fn finish(self) -> Result<()> {
        let Self { temp, path } = self;
        temp.as_file().sync_all().map_err(|e| CliError::io(&path, e))?;
        temp.persist(&path).map_err(|e| CliError::io(&path, e.error))?;
        Ok(())
    }
}
