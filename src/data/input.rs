//! The bytes of a data file from its front, and the copy of a pipe.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The name that means the standard input.
pub const STDIN: &str = "-";
/// Bytes of a pipe that are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What a path leads to.
pub(super) enum Opened {
    /// A regular file and its length.
    File(File, u64),
    /// A pipe or a device, which has no length and can be read once.
    Pipe(Box<dyn Read>),
}

/// Opens a file, a pipe or the standard input.
pub(super) fn open(path: &Path) -> Result<Opened> {
    if path.as_os_str() == STDIN {
        return Ok(Opened::Pipe(Box::new(io::stdin().lock())));
    }
    let metadata = fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if metadata.is_dir() {
        return Err(Error::format(path, "is a folder: pass a regular file in it"));
    }
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    if metadata.is_file() {
        Ok(Opened::File(file, metadata.len()))
    } else {
        Ok(Opened::Pipe(Box::new(file)))
    }
}

/// Whether a path leads to something other than a regular file or a folder, or is `-`.
pub fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == STDIN || fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// The bytes of a file that is read from its front.
pub(super) struct Input<'a> {
    reader: Box<dyn Read + 'a>,
    /// The path in messages.
    path: PathBuf,
    /// All bytes of the file, where they are known beforehand.
    bytes: Option<u64>,
    /// Bytes that were looked at and are still to be read, before the bytes of the reader.
    ahead: Vec<u8>,
    position: u64,
}

impl<'a> Input<'a> {
    pub(super) fn new(path: &Path, reader: impl Read + 'a, bytes: Option<u64>) -> Self {
        let (reader, path) = (Box::new(reader), path.to_path_buf());
        Self { reader, path, bytes, ahead: Vec::new(), position: 0 }
    }

    /// All bytes of the file; none for a pipe.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// Bytes that have been read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// An error about this file.
    pub(super) fn bad(&self, detail: impl Into<String>) -> Error {
        Error::format(&self.path, detail)
    }

    /// Reads bytes, and returns 0 only at the end of the file.
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let read = if self.ahead.is_empty() {
            loop {
                match self.reader.read(out) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    read => break read.map_err(|e| Error::io(&self.path, e))?,
                }
            }
        } else {
            let read = out.len().min(self.ahead.len());
            self.ahead.drain(..read).zip(out).for_each(|(byte, out)| *out = byte);
            read
        };
        self.position += read as u64;
        Ok(read)
    }

    /// Reads bytes, fewer only if the file ends. Memory grows with what is read, not with `len`.
    pub(super) fn read_up_to(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < len {
            let (start, left) = (bytes.len(), len - bytes.len() as u64);
            bytes.resize(start + left.min(COPY_BYTES as u64) as usize, 0);
            let read = self.read(&mut bytes[start..])?;
            bytes.truncate(start + read);
            if read == 0 {
                break;
            }
        }
        Ok(bytes)
    }

    /// Returns the next bytes, which are read again later.
    pub(super) fn peek(&mut self, len: u64) -> Result<Vec<u8>> {
        let bytes = self.read_up_to(len)?;
        self.position -= bytes.len() as u64;
        self.ahead.splice(..0, bytes.iter().copied());
        Ok(bytes)
    }

    /// Copies all that follows to a file without a name. Fails if the whole file does not have
    /// `expected` bytes. Reads at most one byte more than expected.
    pub(super) fn spool(&mut self, expected: u64) -> Result<File> {
        let path = self.path.clone();
        let in_temp = |e: io::Error| {
            let detail = format!(
                "{e}: {} is first copied there, so free some space or set TMPDIR",
                path.display()
            );
            Error::format(&std::env::temp_dir(), detail)
        };
        let mut file = tempfile::tempfile().map_err(in_temp)?;
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let left = expected.saturating_sub(self.position).saturating_add(1);
            let read = self.read(&mut buffer[..left.min(COPY_BYTES as u64) as usize])?;
            if read == 0 || self.position > expected {
                break;
            }
            file.write_all(&buffer[..read]).map_err(in_temp)?;
        }
        if self.position == expected {
            return Ok(file);
        }
        let found = match self.position {
            more if more > expected => "more".to_owned(),
            fewer => format!("only {fewer}"),
        };
        Err(self.bad(format!(
            "its header promises {expected} bytes, and {found} came: it was cut off or appended to, \
             so write it again"
        )))
    }
}
