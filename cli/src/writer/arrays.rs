//! An .npz file: several arrays with names.

use std::io::{Cursor, Write as _};
use std::path::Path;

use vecodec::NewFile;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::headers;
use crate::error::{CliError, Result};

/// Writes arrays `[rows, columns]`, each with its name, its type as NumPy names it, and its bytes.
pub fn write_arrays(
    path: &Path,
    (rows, columns): (usize, usize),
    arrays: &[(&str, &str, &[u8])],
) -> Result<()> {
    let failed = |e: &dyn std::fmt::Display| CliError::file(path, e.to_string());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, descr, bytes) in arrays {
        let is_large = bytes.len() >= u32::MAX as usize;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(is_large);
        zip.start_file(format!("{name}.npy"), options).map_err(|e| failed(&e))?;
        let header = headers::npy(rows, columns, descr);
        zip.write_all(&header).and_then(|()| zip.write_all(bytes)).map_err(|e| failed(&e))?;
    }
    let bytes = zip.finish().map_err(|e| failed(&e))?.into_inner();
    let mut file = NewFile::create(path)?;
    file.append(&bytes)?;
    Ok(file.finish()?)
}
