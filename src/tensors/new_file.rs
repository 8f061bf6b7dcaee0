//! A file that appears whole or not at all.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file under construction: it takes its name only when complete, replacing what was there.
pub(crate) struct NewFile {
    temp: tempfile::NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
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
        let temp = builder.tempfile_in(folder).map_err(|e| Error::io(path, e))?;
        Ok(Self { temp, path: path.to_path_buf() })
    }

    /// Writes `bytes` at `offset` from the start of the file.
    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let file = self.temp.as_file_mut();
        let written = file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes));
        written.map_err(|e| Error::io(&self.path, e))
    }

    pub(crate) fn finish(self) -> Result<()> {
        let Self { temp, path } = self;
        temp.as_file().sync_all().map_err(|e| Error::io(&path, e))?;
        temp.persist(&path).map_err(|e| Error::io(&path, e.error))?;
        Ok(())
    }
}
