//! Models and codes are regular files. Data may also come and leave through pipes.

use std::path::Path;

use vecodec::data::{STDIN, is_pipe};

use crate::error::{CliError, Result};

/// Fails if models or codes are to be read from a pipe.
pub fn check_input(path: &Path, what: &str) -> Result<()> {
    if !is_pipe(path) {
        return Ok(());
    }
    let detail = format!(
        "is no regular file, and {what} cannot be read from a pipe, because their tensors are read \
         in an order of their own: save it to a file first"
    );
    Err(CliError::file(path, detail))
}

/// Fails if models or codes are to be written to the standard output.
pub fn check_output(path: &Path, what: &str) -> Result<()> {
    if path.as_os_str() != STDIN {
        return Ok(());
    }
    let detail = format!(
        "is the standard output, and {what} cannot be written to a pipe, because their tensors are \
         written in an order of their own: pass the path of a file"
    );
    Err(CliError::file(path, detail))
}
