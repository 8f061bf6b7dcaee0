//! .fvecs files. Each row is its length as a little-endian `i32`, and then its values as `f32`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::{Cells, Layout};
use crate::error::{CliError, Result};

/// Reads the length of the first row. All other rows must have this length.
pub(super) fn layout(path: &Path, file: &mut File, file_bytes: u64) -> Result<Layout> {
    let bad = |detail: String| Err(CliError::file(path, detail));
    if file_bytes == 0 {
        return bad("is empty: pass at least one row".into());
    }
    let mut count = [0; 4];
    if file_bytes < count.len() as u64 {
        return bad(format!("has {file_bytes} bytes, too few for a .fvecs file: write it again"));
    }
    file.read_exact(&mut count).map_err(|e| CliError::io(path, e))?;
    let count = i32::from_le_bytes(count);
    let Some(dim) = usize::try_from(count).ok().filter(|dim| *dim > 0) else {
        return bad(format!("row 0 claims {count} values: check that this is a .fvecs file"));
    };
    let row_bytes = 4 + 4 * dim as u64;
    if !file_bytes.is_multiple_of(row_bytes) {
        return bad(format!(
            "its {file_bytes} bytes are no multiple of the {row_bytes} that row 0 with {dim} \
             values takes: it was cut off, or rows differ in length, so write it again"
        ));
    }
    match usize::try_from(file_bytes / row_bytes) {
        Ok(rows) => Ok(Layout { rows, dim, cells: Cells::CountedF32, start: 0 }),
        Err(_) => bad(format!("has {file_bytes} bytes, too many for this machine: split it")),
    }
}

/// Copies the values of rows without the lengths between them. All lengths must be `dim`.
pub(super) fn strip_counts(
    path: &Path,
    first_row: usize,
    counted: &[f32],
    dim: usize,
    out: &mut [f32],
) -> Result<()> {
    let rows = counted.chunks_exact(dim + 1).zip(out.chunks_exact_mut(dim));
    for (at, (row, out)) in rows.enumerate() {
        let (count, values) = (row[0].to_bits() as i32, &row[1..]);
        if i64::from(count) != dim as i64 {
            let detail = format!(
                "row {} claims {count} values where row 0 has {dim}: \
                 all rows must have the same length",
                first_row + at
            );
            return Err(CliError::file(path, detail));
        }
        out.copy_from_slice(values);
    }
    Ok(())
}
