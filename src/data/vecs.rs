//! .fvecs and .bvecs files. Each row is the number of its values as a little-endian `i32`, and then
//! the values as `f32` or `u8`.

use std::path::Path;

use super::cells::{Cells, Kind};
use super::input::Input;
use super::layout::{COUNT_BYTES, Layout};
use crate::error::{Error, Result};

/// Reads the number of values of the first row. All other rows must have as many.
pub(super) fn layout(input: &mut Input<'_>, kind: Kind) -> Result<Layout> {
    let file_bytes = input.bytes().unwrap_or(0);
    let count = input.read_up_to(COUNT_BYTES as u64)?;
    if count.is_empty() {
        return Err(
            input.bad("is empty, and does not say how long rows are: pass at least one row")
        );
    }
    let Ok(count) = count.try_into().map(i32::from_le_bytes) else {
        return Err(input.bad(format!("has {file_bytes} bytes, too few for a row: write it again")));
    };
    let Some(dim) = usize::try_from(count).ok().filter(|dim| *dim > 0) else {
        let detail = format!("row 0 claims {count} values: check the format of the file");
        return Err(input.bad(detail));
    };
    let row_bytes = COUNT_BYTES as u64 + kind.bytes() as u64 * dim as u64;
    if !file_bytes.is_multiple_of(row_bytes) {
        return Err(input.bad(format!(
            "its {file_bytes} bytes are no multiple of the {row_bytes} that row 0 with {dim} \
             values takes: it was cut off, or rows differ in length, so write it again"
        )));
    }
    let Ok(rows) = usize::try_from(file_bytes / row_bytes) else {
        let detail = format!("has {file_bytes} bytes, too many for this machine: split it");
        return Err(input.bad(detail));
    };
    Ok(Layout { counted: true, ..Layout::new(rows, dim, Cells::little(kind), 0) })
}

/// Fails unless the count of a row is `dim`.
pub(super) fn check_count(path: &Path, row: usize, count: &[u8], dim: usize) -> Result<()> {
    let count = count.try_into().map_or(0, i32::from_le_bytes);
    if i64::from(count) == dim as i64 {
        return Ok(());
    }
    let detail = format!(
        "row {row} claims {count} values where row 0 has {dim}: all rows must have the same length"
    );
    Err(Error::format(path, detail))
}
