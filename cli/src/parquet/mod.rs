//! Parquet files: a column of embeddings becomes one of codes, or the other way round, and other columns pass through.

mod read;
mod verbs;
mod write;

use std::path::Path;

pub use read::Files;
pub use verbs::{decode, encode, index};

/// Whether a path names a Parquet file, a folder, or files by a pattern.
pub fn is_named(path: &Path) -> bool {
    let is_pattern = || path.to_string_lossy().contains(['*', '?', '[']);
    ends_so(path) || (!path.exists() && is_pattern())
}

/// Whether a path ends in `.parquet`.
pub fn ends_so(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

/// Whether a folder has Parquet files.
pub fn is_folder(path: &Path) -> bool {
    let Ok(entries) = path.read_dir() else { return false };
    entries.flatten().any(|entry| ends_so(&entry.path()))
}
