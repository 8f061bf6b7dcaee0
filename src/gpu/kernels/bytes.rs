//! The kernels that score scalar codes byte by byte.

use super::scan::{SearchBuffer, TILE, bindings};
use super::{Binding, Kernel, Resident, ScanShape, shaders};
use crate::plan::Grid;

/// Words of the table of a byte: 256 entries of 16 bits.
const BYTE_TABLE_WORDS: u32 = 128;

/// Threads of a workgroup where the adapter has as many.
pub(crate) const WIDE_THREADS: u32 = 512;

/// How bytes are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByteShape {
    /// Bytes of a row's codes, and of what fills up the last four words.
    pub(crate) bytes: u32,
    /// Latents of a byte, at most.
    pub(crate) per_byte: u32,
    /// Values of a query in the longest region, in fours.
    pub(crate) values4: u32,
    /// Whether workgroups have [`WIDE_THREADS`] threads.
    pub(crate) is_wide: bool,
}

impl ByteShape {
    /// Words of the tables of a region.
    fn table_words(&self) -> u32 {
        BYTE_TABLE_WORDS * self.bytes
    }

    /// Bytes of the tables of a region.
    pub(crate) fn table_bytes(&self) -> u64 {
        4 * u64::from(self.table_words())
    }
}

/// The kernel that forms the tables of queries in all regions.
pub(crate) fn byte_tables(shape: &ScanShape, bytes: &ByteShape) -> Kernel {
    Kernel {
        name: "tables.bytes".to_owned(),
        files: vec![&shaders::BYTE_TABLES],
        constants: vec![
            ("REGIONS", shape.regions.into()),
            ("BYTES", bytes.bytes.into()),
            ("PER_BYTE", bytes.per_byte.into()),
            ("VALUES4", bytes.values4.into()),
        ],
        bindings: vec![
            Binding::Search(SearchBuffer::Queries),
            Binding::Resident(Resident::ByteLatents),
            Binding::Resident(Resident::BitTables),
            Binding::Search(SearchBuffer::ByteTables),
        ],
        grid: Grid::One,
        loop_iterations: 2 * u64::from(bytes.per_byte),
        workgroup_bytes: 0,
    }
}

/// The kernel that scores the tiles of a round with one query.
pub(crate) fn byte_scan(shape: &ScanShape, bytes: &ByteShape) -> Kernel {
    let mut constants = shape.constants();
    let words = bytes.table_words();
    constants.extend([("VALUES4", bytes.values4.into()), ("TABLE_WORDS", words.into())]);
    let middle = [Binding::Unused, Binding::Search(SearchBuffer::ByteTables)];
    let (name, rows_file, rows) = match bytes.is_wide {
        true => ("scan.bytes.two_rows", &shaders::TWO_ROWS, 2),
        false => ("scan.bytes.four_rows", &shaders::FOUR_ROWS, 4),
    };
    let threads = TILE as u64 / rows;
    Kernel {
        name: name.to_owned(),
        files: vec![
            &shaders::SEARCH,
            &shaders::SEARCH_CANDIDATES,
            &shaders::SCAN,
            rows_file,
            &shaders::ONE_QUERY,
            &shaders::BYTE_PRODUCTS,
        ],
        constants,
        bindings: bindings(middle),
        grid: Grid::of_rows(threads as u32, 1),
        // Of one tile.
        loop_iterations: u64::from(words / 4).div_ceil(threads)
            + u64::from(shape.code_words.div_ceil(4)) * (1 + 2 * rows)
            + 3 * rows,
        workgroup_bytes: bytes.table_bytes(),
    }
}
