//! Rows to chunks to workgroups to bytes, against the limits of an adapter: pure values, and the
//! one place where host lengths become GPU counts.

mod grid;

pub(crate) use grid::Grid;
#[cfg(any(test, feature = "gpu"))]
pub(crate) use grid::Items;

use crate::error::{Error, OTHER_ADAPTER, Result};

/// Bytes in front of a chunk's input that hold the dispatch's parameters and the chunk's stamp. Every
/// section of a buffer begins at a multiple of this, the largest offset alignment that an adapter may
/// ask for. Each buffer has room for one alignment more than its sections need.
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
    /// Bytes of one binding: what a shader may access of a buffer.
    pub(crate) binding_bytes: u64,
    /// Bytes of a buffer.
    pub(crate) buffer_bytes: u64,
    /// Workgroups in one dimension of a dispatch.
    pub(crate) groups: u32,
}

#[cfg(feature = "gpu")]
impl Limits {
    /// Bytes of a buffer that is bound as a whole.
    pub(crate) fn whole_bytes(&self) -> u64 {
        self.binding_bytes.min(self.buffer_bytes)
    }
}

/// What a section of a chunk holds. Kernels name their bindings by it, and the host what it fills and
/// reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Section {
    /// Rows `[rows, dim]`.
    Rows,
    /// Rows `[rows, dim]` without padding.
    TightRows,
    /// Rows divided by their norms `[rows, dim]`.
    UnitRows,
    /// Latents `[rows, latent_dim]`.
    Latents,
    /// Norms of rows `[rows]` that no result shows.
    Norms,
    /// A scale or norm for each row `[rows]`, or one for all rows.
    Scales,
    /// Packed codes, padded to words.
    Codes,
    /// The decisions of a search over a trellis.
    Decisions,
    /// How near the centroid of each region is `[rows, regions]`.
    Scores,
    /// The nearest regions of each row `[rows, shortlist]`.
    Candidates,
    /// The leading latents of each row in each of its nearest regions.
    LeadingLatents,
    /// The region of each row `[rows]`.
    Regions,
    /// The region of each item, and its rank among that region's items.
    Ranks,
    /// Items in the order of their regions, behind where each region begins.
    Order,
}

/// A section and its bytes per row.
pub(crate) type RowBytes = (Section, u64);

/// Bytes per row of the sections of a chunk's buffers. A section appears once.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowLayout {
    /// Uploaded, behind the parameters.
    pub(crate) inputs: Vec<RowBytes>,
    /// Device memory between kernels, a buffer each.
    pub(crate) scratch: Vec<RowBytes>,
    /// Bytes in front of the rows of a section of the scratch memory. Other sections have none.
    pub(crate) heads: Vec<(Section, u64)>,
    /// Read back.
    pub(crate) outputs: Vec<RowBytes>,
}

/// The bytes of a section in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) section: Section,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) row_bytes: u64,
}

/// The sections of one buffer, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spans {
    pub(crate) spans: Vec<Span>,
    /// Bytes of the buffer.
    pub(crate) bytes: u64,
}

impl Spans {
    fn new(start: u64, sections: &[RowBytes], capacity: usize) -> Self {
        let mut end = start;
        let span = |&(section, row_bytes): &RowBytes| {
            let (offset, bytes) = (end.next_multiple_of(ALIGNMENT), row_bytes * capacity as u64);
            end = offset + bytes;
            Span { section, offset, bytes, row_bytes }
        };
        let spans = sections.iter().map(span).collect();
        Self { spans, bytes: end }
    }

    pub(crate) fn find(&self, section: Section) -> Option<Span> {
        self.spans.iter().copied().find(|span| span.section == section)
    }

    /// Bytes from the start of the buffer to the end of what `rows` rows use of it.
    pub(crate) fn used(&self, rows: usize) -> u64 {
        self.spans.last().map_or(0, |last| last.offset + last.row_bytes * rows as u64)
    }
}

impl RowLayout {
    pub(crate) fn input_spans(&self, capacity: usize) -> Spans {
        Spans::new(ALIGNMENT, &self.inputs, capacity)
    }

    pub(crate) fn output_spans(&self, capacity: usize) -> Spans {
        Spans::new(0, &self.outputs, capacity)
    }

    /// The buffers of the scratch memory, and their bytes.
    pub(crate) fn scratch_bytes(&self, capacity: usize) -> impl Iterator<Item = (Section, u64)> {
        self.scratch.iter().map(move |&(section, row_bytes)| {
            (section, self.head_bytes(section) + row_bytes * capacity as u64)
        })
    }

    /// Bytes in front of a section's rows.
    pub(crate) fn head_bytes(&self, section: Section) -> u64 {
        let head = self.heads.iter().find(|(found, _)| *found == section);
        head.map_or(0, |(_, bytes)| *bytes)
    }

    pub(crate) fn sections(&self) -> impl Iterator<Item = &RowBytes> {
        self.inputs.iter().chain(&self.scratch).chain(&self.outputs)
    }

    /// The most rows of a chunk: within the limits, and within `target_bytes` of input, of output
    /// and of scratch if that leaves at least one row.
    pub(crate) fn chunk_rows(
        &self,
        limits: &Limits,
        grids: &[Grid],
        target_bytes: u64,
    ) -> Result<usize> {
        let sum = |sections: &[RowBytes]| sections.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let widest = self.sections().map(|(_, bytes)| *bytes).max().unwrap_or(0).max(1);
        // Each section is padded to the alignment, and so are the parameters and the stamp.
        let heads: u64 = self.heads.iter().map(|(_, bytes)| bytes).sum();
        let padding = ALIGNMENT * (self.sections().count() as u64 + 1) + heads;
        let longest = sum(&self.inputs).max(sum(&self.outputs)).max(sum(&self.scratch)).max(1);
        let by_binding = limits.binding_bytes.saturating_sub(heads) / widest;
        let by_buffer = limits.buffer_bytes.saturating_sub(padding) / longest;
        let by_target = (target_bytes / longest).max(1);
        for (what, required, rows, available) in [
            ("bytes of one binding for one row", widest + heads, by_binding, limits.binding_bytes),
            ("bytes of one buffer for one row", longest + padding, by_buffer, limits.buffer_bytes),
        ] {
            if rows == 0 {
                return Err(Error::Limit { what, required, available, remedy: OTHER_ADAPTER });
            }
        }
        let mut rows = by_binding.min(by_buffer).min(by_target);
        for grid in grids {
            rows = rows.min(grid.max_rows(limits.groups)?);
        }
        // Shaders compute indices in u32.
        let by_index = (u64::from(u32::MAX) - heads) / widest;
        Ok(usize::try_from(rows.min(by_index.max(1))).unwrap_or(usize::MAX))
    }
}

/// The rows a slot is sized for: few sizes, so that slots are found again.
pub(crate) fn capacity(rows: usize, chunk_rows: usize) -> usize {
    rows.next_power_of_two().max(MIN_CAPACITY).min(chunk_rows)
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
        RowLayout {
            inputs: vec![(Section::Scales, 4), (Section::Codes, latent)],
            outputs: vec![(Section::Rows, 4 * dim)],
            ..RowLayout::default()
        }
    }

    #[test]
    fn sections_are_aligned_and_hold_their_rows() {
        let layout = decode(768, 128);
        for capacity in [1, 63, 64, 1000, 16384] {
            let spans = layout.input_spans(capacity);
            assert!(spans.spans.iter().all(|span| span.offset % ALIGNMENT == 0));
            let [scales, codes] = [Section::Scales, Section::Codes].map(|s| spans.find(s).unwrap());
            assert!(scales.offset >= ALIGNMENT, "the parameters come first");
            assert!(scales.offset + scales.bytes <= codes.offset);
            assert_eq!(codes.offset + codes.bytes, spans.bytes);
            assert_eq!(spans.used(capacity), spans.bytes);
            assert!(spans.used(1) <= spans.bytes);
            assert_eq!(spans.find(Section::Latents), None);
        }
    }

    #[test]
    fn chunks_stay_within_every_limit() {
        let line =
            Grid::Threads { workgroup_size: 64, tile_rows: 12, columns: 192, items: Items::ROWS };
        for target in [1, 1 << 20, 1 << 40] {
            let rows = decode(768, 128).chunk_rows(&LIMITS, &[line], target).unwrap();
            assert!(rows >= 1);
            assert!(rows as u64 * 768 * 4 <= LIMITS.binding_bytes);
            assert!(target == 1 || rows as u64 * 768 * 4 <= target);
            assert!(line.groups(rows as u32)[0] <= LIMITS.groups);
        }
        // One value per row: the dispatch is the limit, not the bytes.
        let thin = Grid::Tiles {
            tile_rows: 64,
            tile_columns: 16,
            total_columns: 1,
            max_row_groups: None,
            items: Items::ROWS,
        };
        let rows = decode(1, 4).chunk_rows(&LIMITS, &[thin], 1 << 40).unwrap();
        assert_eq!(rows, 64 * 65535);
        // A grid-stride loop has no such limit.
        let strided = Grid::Tiles {
            tile_rows: 64,
            tile_columns: 16,
            total_columns: 1,
            max_row_groups: Some(512),
            items: Items::ROWS,
        };
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
            let named = |bytes: Vec<u64>, sections: [Section; 2]| -> Vec<RowBytes> {
                sections.into_iter().zip(bytes).collect()
            };
            let layout = RowLayout {
                inputs: named(inputs, [Section::Scales, Section::Codes]),
                scratch: named(scratch, [Section::Latents, Section::Decisions]),
                outputs: named(outputs, [Section::Rows, Section::Norms]),
                heads: vec![],
            };
            let rows = layout.chunk_rows(&limits, &[], 1 << 40).unwrap();
            let sizes = [
                layout.input_spans(rows).bytes,
                layout.output_spans(rows).bytes,
                layout.scratch[0].1 * rows as u64,
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
        let grid = Grid::Tiles {
            tile_rows: 64,
            tile_columns: 1,
            total_columns: 70_000,
            max_row_groups: None,
            items: Items::ROWS,
        };
        assert!(decode(4, 4).chunk_rows(&LIMITS, &[grid], 1 << 20).is_err());
    }

    #[test]
    fn capacities_are_few() {
        assert_eq!(capacity(1, 10_000), 64);
        assert_eq!(capacity(1000, 10_000), 1024);
        assert_eq!(capacity(9000, 10_000), 10_000);
        assert_eq!(capacity(5, 7), 7);
    }
}
