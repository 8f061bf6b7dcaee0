//! Where the rows of a file lie, and the blocks that they are read in.

use std::fs::File;
use std::ops::Range;

use super::cells::Cells;
use super::input::Input;
use crate::error::Result;

/// Bytes of the number in front of each row of .fvecs and .bvecs.
pub(super) const COUNT_BYTES: usize = size_of::<i32>();
/// Bytes of the `f32` rows of a block: enough to keep an engine busy, and small beside the memory
/// of any machine.
const BLOCK_BYTES: usize = 16 << 20;

/// What a header says of the rows.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) cells: Cells,
    /// The position of the first row.
    pub(super) start: u64,
    /// Whether each row begins with the number of its values.
    pub(super) counted: bool,
    /// All bytes of the file, where other tensors may lie behind the rows.
    pub(super) file_bytes: Option<u64>,
}

impl Layout {
    /// Rows from a position to the end of the file.
    pub(super) fn new(rows: usize, dim: usize, cells: Cells, start: u64) -> Self {
        Self { rows, dim, cells, start, counted: false, file_bytes: None }
    }

    pub(super) fn row_bytes(&self) -> Option<usize> {
        let count_bytes = if self.counted { COUNT_BYTES } else { 0 };
        self.dim.checked_mul(self.cells.kind.bytes())?.checked_add(count_bytes)
    }

    /// The position behind the last row.
    fn end(&self) -> Option<u64> {
        (self.rows as u64).checked_mul(self.row_bytes()? as u64)?.checked_add(self.start)
    }

    /// The number of bytes that the whole file must have. Fails if the rows have no values, or if the
    /// file is known to have another number of bytes.
    pub(super) fn check(&self, input: &Input<'_>) -> Result<u64> {
        let Self { rows, dim, cells, .. } = self;
        if *dim == 0 {
            let detail = format!("holds {rows} rows of 0 values: pass rows of at least one value");
            return Err(input.bad(detail));
        }
        let end = self.end();
        // The reader of tensors has compared the size of all tensors with that of the file.
        let expected = match (end, self.file_bytes) {
            (Some(end), Some(file_bytes)) => (end <= file_bytes).then_some(file_bytes),
            (end, _) => end,
        };
        let found = input.bytes();
        match expected.filter(|expected| found.is_none_or(|found| found == *expected)) {
            Some(expected) => Ok(expected),
            None => {
                let end = end.map_or("over 2^64".to_owned(), |bytes| bytes.to_string());
                let found = found.map_or("no end".to_owned(), |bytes| bytes.to_string());
                Err(input.bad(format!(
                    "{rows} rows of {dim} {cells} values take {end} bytes, and the file has \
                     {found}: it was cut off or appended to, so write it again"
                )))
            }
        }
    }
}

/// Rows of a block.
pub(super) fn block_rows(dim: usize) -> usize {
    (BLOCK_BYTES / size_of::<f32>() / dim.max(1)).max(1)
}

/// Divides rows into blocks.
pub fn blocks(rows: Range<usize>, dim: usize) -> impl Iterator<Item = Range<usize>> {
    let (block, end) = (block_rows(dim), rows.end);
    rows.step_by(block).map(move |start| start..end.min(start + block))
}

/// Copies what follows the header, and returns the layout of the copy.
pub(super) fn spool(input: &mut Input<'_>, mut layout: Layout) -> Result<(File, Layout)> {
    let expected = layout.check(input)?;
    let header_bytes = input.position();
    let file = input.spool(expected)?;
    // The rows lie behind the header, and so does the copy begin.
    layout.start = layout.start.saturating_sub(header_bytes);
    Ok((file, layout))
}
