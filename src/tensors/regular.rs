//! Opens files that have a length.

use std::fs::{self, File};
use std::path::Path;

use crate::error::{Error, Result};

/// Opens a regular file for reading, and returns it with its length in bytes.
///
/// A pipe has no length, and a device may have no end. They are refused before they are opened,
/// because opening a pipe waits for its other end.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64)> {
    let io = |e| Error::io(path, e);
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(Error::format(path, "is no regular file: write its contents to one first"));
    }
    Ok((File::open(path).map_err(io)?, metadata.len()))
}
