//! Parquet files: a column of embeddings becomes one of codes, or the other way round, and other columns pass through.

mod read;
mod verbs;
mod write;

use std::path::Path;

pub use read::Files;
pub use verbs::{decode, encode, index};

/// Whether a path names a Parquet file, a folder that has some, or files by a pattern.
pub fn is_named(path: &Path) -> bool {
    let is_pattern = || path.to_string_lossy().contains(['*', '?', '[']);
    match path.read_dir() {
        _ if ends_so(path) => true,
        Ok(entries) => entries.flatten().any(|entry| ends_so(&entry.path())),
        Err(_) => !path.exists() && is_pattern(),
    }
}

/// Whether a path ends in `.parquet`.
pub fn ends_so(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}
