//! Rows to chunks to workgroups to bytes, against the limits of an adapter: pure values, and the
//! one place where host lengths become GPU counts.

use crate::error::{Error, Result};

/// Bytes in front of a chunk's input that hold the dispatch's parameters; every section of a
/// buffer begins at a multiple of this, the largest offset alignment an adapter may ask for.
pub(crate) const ALIGNMENT: u64 = 256;

/// The smallest chunk a slot is sized for.
const MIN_CAPACITY: usize = 64;

/// Lengths are padded to a multiple of this many values, so that kernels move vectors of four.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// What an adapter allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes a shader may see of one buffer.
    pub(crate) binding_bytes: u64,
    /// Bytes of a buffer.
    pub(crate) buffer_bytes: u64,
    /// Workgroups in one dimension of a dispatch.
    pub(crate) groups: u32,
}

/// Bytes a row takes in the sections of a chunk's buffers.
#[derive(Clone, Debug)]
pub(crate) struct RowLayout {
    /// Sections uploaded, behind the parameters.
    pub(crate) inputs: Vec<u64>,
    /// Device memory between steps, a buffer each; none where zero.
    pub(crate) scratch: Vec<u64>,
    /// Sections read back.
    pub(crate) outputs: Vec<u64>,
}

/// Where the sections of one buffer lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sections {
    /// Offset and bytes of each.
    pub(crate) places: Vec<(u64, u64)>,
    /// Bytes of the buffer.
    pub(crate) bytes: u64,
}

impl Sections {
    fn new(start: u64, row_bytes: &[u64], capacity: usize) -> Self {
        let mut bytes = start;
        let mut place = |row_bytes: &u64| {
            let place = (bytes.next_multiple_of(ALIGNMENT), row_bytes * capacity as u64);
            bytes = place.0 + place.1;
            place
        };
        let places = row_bytes.iter().map(&mut place).collect();
        Self { places, bytes }
    }

    /// Bytes from the start of the buffer to the end of what `rows` rows use of it.
    pub(crate) fn used(&self, row_bytes: &[u64], rows: usize) -> u64 {
        let last = self.places.last().map_or(0, |place| place.0);
        last + row_bytes.last().map_or(0, |bytes| bytes * rows as u64)
    }
}

impl RowLayout {
    pub(crate) fn input_sections(&self, capacity: usize) -> Sections {
        Sections::new(ALIGNMENT, &self.inputs, capacity)
    }

    pub(crate) fn output_sections(&self, capacity: usize) -> Sections {
        Sections::new(0, &self.outputs, capacity)
    }

    /// The most rows of a chunk: within the limits, and within `target_bytes` of input, of output
    /// and of scratch if that leaves at least one row.
    pub(crate) fn chunk_rows(
        &self,
        limits: &Limits,
        grids: &[Grid],
        target_bytes: u64,
    ) -> Result<usize> {
        let sections = || self.inputs.iter().chain(&self.outputs).chain(&self.scratch);
        let widest = sections().copied().max().unwrap_or(0).max(1);
        // The sections' padding is the alignment once a section, and the parameters'.
        let padding = ALIGNMENT * (sections().count() as u64 + 1);
        let longest = self.inputs.iter().sum::<u64>().max(self.outputs.iter().sum());
        let longest = longest.max(self.scratch.iter().sum()).max(1);
        let by_binding = limits.binding_bytes / widest;
        let by_buffer = limits.buffer_bytes.saturating_sub(padding) / longest;
        let by_target = (target_bytes / longest).max(1);
        for (what, row_bytes, rows, available) in [
            ("bytes of one binding", widest, by_binding, limits.binding_bytes),
            ("bytes of one buffer", longest + padding, by_buffer, limits.buffer_bytes),
        ] {
            if rows == 0 {
                return Err(Error::Limit { what, required: row_bytes, available });
            }
        }
        let mut rows = by_binding.min(by_buffer).min(by_target);
        for grid in grids {
            rows = rows.min(grid.max_rows(limits.groups)?);
        }
        // Shaders compute indices in u32.
        let by_index = u64::from(u32::MAX) / widest;
        Ok(usize::try_from(rows.min(by_index.max(1))).unwrap_or(usize::MAX))
    }
}

/// The rows a slot is sized for: few sizes, so that slots are found again.
pub(crate) fn capacity(rows: usize, chunk_rows: usize) -> usize {
    rows.next_power_of_two().max(MIN_CAPACITY).min(chunk_rows)
}

/// The order in which workgroups cover a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grid {
    /// One-dimensional workgroups of `workgroup` threads; a thread covers `rows` rows of one of
    /// `columns` columns.
    Line { workgroup: u32, rows: u32, columns: u32 },
    /// Two-dimensional workgroups that cover a tile of `rows` rows and `columns` of `of` columns. If
    /// there are to be no more than `most` of them along the rows, each goes on to the tile so many
    /// further.
    Tiles { rows: u32, columns: u32, of: u32, most: Option<u32> },
}

impl Grid {
    /// Workgroups in each dimension for a chunk of `rows` rows.
    pub(crate) fn groups(self, rows: u32) -> [u32; 3] {
        match self {
            Self::Line { workgroup, rows: each, columns } => {
                let threads = u64::from(rows.div_ceil(each)) * u64::from(columns);
                let groups = threads.div_ceil(u64::from(workgroup));
                // `max_rows` has bounded it.
                [u32::try_from(groups).unwrap_or(u32::MAX), 1, 1]
            }
            Self::Tiles { rows: tall, columns, of, most } => {
                let down = rows.div_ceil(tall);
                [of.div_ceil(columns), most.map_or(down, |most| down.min(most)), 1]
            }
        }
    }

    /// The most rows a dispatch covers.
    fn max_rows(self, groups: u32) -> Result<u64> {
        let limit = |required: u64| Error::Limit {
            what: "workgroups in one dimension",
            required,
            available: groups.into(),
        };
        match self {
            Self::Line { workgroup, rows, columns } => {
                let threads = u64::from(groups) * u64::from(workgroup);
                match threads / u64::from(columns) {
                    0 => Err(limit(u64::from(columns).div_ceil(workgroup.into()))),
                    blocks => Ok(blocks * u64::from(rows)),
                }
            }
            Self::Tiles { rows, columns, of, most } => match of.div_ceil(columns) {
                wide if wide > groups => Err(limit(wide.into())),
                // Those that go on cover any number of rows.
                _ if most.is_some() => Ok(u64::MAX),
                _ => Ok(u64::from(groups) * u64::from(rows)),
            },
        }
    }
}

/// A count that fits a shader's `u32`; `chunk_rows` and the model's size limits see to it.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).expect("sizes are bounded by the model's limits and the plan")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { binding_bytes: 1 << 27, buffer_bytes: 1 << 28, groups: 65535 };

    fn decode(dim: u64, latent: u64) -> RowLayout {
        RowLayout { inputs: vec![4, latent], scratch: vec![], outputs: vec![4 * dim] }
    }

    #[test]
    fn sections_are_aligned_and_hold_their_rows() {
        let layout = decode(768, 128);
        for capacity in [1, 63, 64, 1000, 16384] {
            let sections = layout.input_sections(capacity);
            assert!(sections.places.iter().all(|(offset, _)| offset % ALIGNMENT == 0));
            assert!(sections.places[0].0 >= ALIGNMENT, "the parameters come first");
            assert!(sections.places[0].0 + sections.places[0].1 <= sections.places[1].0);
            assert_eq!(sections.places[1].0 + sections.places[1].1, sections.bytes);
            assert_eq!(sections.used(&layout.inputs, capacity), sections.bytes);
            assert!(sections.used(&layout.inputs, 1) <= sections.bytes);
        }
    }

    #[test]
    fn chunks_stay_within_every_limit() {
        let line = Grid::Line { workgroup: 64, rows: 12, columns: 192 };
        for target in [1, 1 << 20, 1 << 40] {
            let rows = decode(768, 128).chunk_rows(&LIMITS, &[line], target).unwrap();
            assert!(rows >= 1);
            assert!(rows as u64 * 768 * 4 <= LIMITS.binding_bytes);
            assert!(target == 1 || rows as u64 * 768 * 4 <= target);
            assert!(line.groups(rows as u32)[0] <= LIMITS.groups);
        }
        // One value a row: the dispatch is the limit, not the bytes.
        let thin = Grid::Tiles { rows: 64, columns: 16, of: 1, most: None };
        let rows = decode(1, 4).chunk_rows(&LIMITS, &[thin], 1 << 40).unwrap();
        assert_eq!(rows, 64 * 65535);
        // Unless its workgroups go on.
        let strided = Grid::Tiles { rows: 64, columns: 16, of: 1, most: Some(512) };
        let rows = decode(1, 4).chunk_rows(&LIMITS, &[strided], 1 << 40).unwrap();
        assert!(rows > 64 * 65535 && rows as u64 <= LIMITS.binding_bytes / 4, "{rows}");
    }

    #[test]
    fn every_buffer_of_a_chunk_stays_within_the_limit() {
        let limits = Limits { buffer_bytes: 24 << 10, ..LIMITS };
        for (inputs, scratch, outputs) in [
            (vec![16], vec![32], vec![4, 8]),
            (vec![4, 8], vec![0], vec![400]),
            (vec![400], vec![8], vec![4, 4]),
        ] {
            let layout = RowLayout { inputs, scratch, outputs };
            let rows = layout.chunk_rows(&limits, &[], 1 << 40).unwrap();
            let sizes = [
                layout.input_sections(rows).bytes,
                layout.output_sections(rows).bytes,
                layout.scratch[0] * rows as u64,
            ];
            assert!(sizes.iter().all(|bytes| *bytes <= limits.buffer_bytes), "{sizes:?}");
            assert!(sizes.iter().any(|bytes| 10 * bytes > 9 * limits.buffer_bytes), "{sizes:?}");
        }
    }

    #[test]
    fn a_row_beyond_the_limits_is_refused_with_both_numbers() {
        let wide = decode(1 << 26, 4).chunk_rows(&LIMITS, &[], 1 << 20).unwrap_err();
        let (required, available) = (1 << 28, 1 << 27);
        assert!(
            matches!(wide, Error::Limit { required: r, available: a, .. } if (r, a) == (required, available)),
            "{wide}"
        );
        let grid = Grid::Tiles { rows: 64, columns: 1, of: 70_000, most: None };
        assert!(decode(4, 4).chunk_rows(&LIMITS, &[grid], 1 << 20).is_err());
    }

    #[test]
    fn grids_cover_every_row() {
        for rows in [1, 11, 12, 13, 63, 64, 65, 1000] {
            let [x, ..] = Grid::Line { workgroup: 64, rows: 12, columns: 3 }.groups(rows);
            assert!(x * 64 >= rows.div_ceil(12) * 3 && (x - 1) * 64 < rows.div_ceil(12) * 3);
            let [x, y, _] = Grid::Tiles { rows: 64, columns: 16, of: 17, most: None }.groups(rows);
            assert_eq!((x, y), (2, rows.div_ceil(64)));
        }
        // Each of the most goes on until the last row.
        let strided = Grid::Tiles { rows: 16, columns: 32, of: 33, most: Some(512) };
        for (rows, expected) in [(1, 1), (16, 1), (17, 2), (8192, 512), (8193, 512), (1 << 30, 512)]
        {
            assert_eq!(strided.groups(rows), [2, expected, 1]);
        }
    }

    #[test]
    fn capacities_are_few() {
        assert_eq!(capacity(1, 10_000), 64);
        assert_eq!(capacity(1000, 10_000), 1024);
        assert_eq!(capacity(9000, 10_000), 10_000);
        assert_eq!(capacity(5, 7), 7);
    }
}
