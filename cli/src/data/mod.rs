//! Data files: rows of numbers, read as `f32` and written as `f32` or `f16`, block by block.

mod bins;
mod cells;
mod format;
mod input;
mod literal;
mod npy;
mod npz;
mod reader;
pub mod tensors;
mod vecs;
mod writer;

use std::ops::Range;

pub use cells::{Cells, Kind};
pub use format::Format;
pub use input::{STDIN, is_pipe};
pub use reader::DataReader;
pub use writer::{DataWriter, ValueType};

use crate::error::Result;
use input::Input;

/// Bytes of the `f32` rows of a block: enough to keep an engine busy, and small beside the memory
/// of any machine.
const BLOCK_BYTES: usize = 16 << 20;

/// What a header says of the rows.
#[derive(Clone, Debug)]
struct Layout {
    rows: usize,
    dim: usize,
    cells: Cells,
    /// The position of the first row.
    start: u64,
    /// Whether each row begins with the number of its values.
    counted: bool,
    /// All bytes of the file, where other tensors may lie behind the rows.
    file_bytes: Option<u64>,
}

impl Layout {
    /// Rows from a position to the end of the file.
    fn new(rows: usize, dim: usize, cells: Cells, start: u64) -> Self {
        Self { rows, dim, cells, start, counted: false, file_bytes: None }
    }

    fn row_bytes(&self) -> Option<usize> {
        let count_bytes = if self.counted { vecs::COUNT_BYTES } else { 0 };
        self.dim.checked_mul(self.cells.kind.bytes())?.checked_add(count_bytes)
    }

    /// The position behind the last row.
    fn end(&self) -> Option<u64> {
        (self.rows as u64).checked_mul(self.row_bytes()? as u64)?.checked_add(self.start)
    }

    /// The number of bytes that the whole file must have. Fails if the rows have no values, or if the
    /// file is known to have another number of bytes.
    fn check(&self, input: &Input<'_>) -> Result<u64> {
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

/// Divides rows into blocks.
pub fn blocks(rows: Range<usize>, dim: usize) -> impl Iterator<Item = Range<usize>> {
    let block = (BLOCK_BYTES / size_of::<f32>() / dim.max(1)).max(1);
    let end = rows.end;
    rows.step_by(block).map(move |start| start..end.min(start + block))
}
