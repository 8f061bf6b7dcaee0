//! An output file that takes its name only when it is complete.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{CliError, Result};

/// A file under construction. Nothing is left of it if it is dropped before it is finished.
pub struct NewFile {
    temp: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file in the folder of its name.
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

    /// Gives the file its name, in place of the file that had the name before.
    pub fn finish(self) -> Result<()> {
        let Self { temp, path } = self;
        temp.as_file().sync_all().map_err(|e| CliError::io(&path, e))?;
        temp.persist(&path).map_err(|e| CliError::io(&path, e.error))?;
        Ok(())
    }
}
