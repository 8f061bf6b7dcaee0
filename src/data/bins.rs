//! .fbin, .u8bin and .i8bin files of big-ann-benchmarks: the number of rows and the values per row as
//! little-endian `u32`, and then the values as `f32`, `u8` or `i8`.

use super::cells::{Cells, Kind};
use super::input::Input;
use super::layout::Layout;
use crate::error::Result;

/// The numbers in front of the values.
const HEADER_BYTES: u64 = 8;

pub(super) fn layout(input: &mut Input<'_>, kind: Kind) -> Result<Layout> {
    let header = input.read_up_to(HEADER_BYTES)?;
    let ([rows, dim], []) = header.as_chunks::<4>() else {
        let detail =
            format!("has {} bytes, too few for a header of 8: write it again", header.len());
        return Err(input.bad(detail));
    };
    let number = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) as usize;
    Ok(Layout::new(number(rows), number(dim), Cells::little(kind), HEADER_BYTES))
}
