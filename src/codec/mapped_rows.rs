//! Decoded rows in mapped memory.

use std::fmt;
use std::ops::Deref;

#[cfg(feature = "gpu")]
use super::transfer::values;
#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::ReadView;
#[cfg(feature = "gpu")]
use crate::plan::Section;

/// Some consecutive decoded rows, `[rows, dim]` row-major, in mapped memory.
///
/// Dropping it gives the memory back to the codec. On some adapters mapped memory is slow to read
/// again and again: read it once, in order.
#[must_use]
pub struct MappedRows {
    source: Source,
    first_row: usize,
    dim: usize,
}

enum Source {
    #[cfg(feature = "gpu")]
    Mapped(Box<ReadView>, Section),
    Owned(Vec<f32>),
}

impl MappedRows {
    #[cfg(feature = "gpu")]
    pub(super) fn mapped(
        view: Box<ReadView>,
        section: Section,
        first_row: usize,
        dim: usize,
    ) -> Result<Self> {
        // Checked here, so that the view can be dereferenced without an error.
        values::<f32>(view.section(section)?)?;
        Ok(Self { source: Source::Mapped(view, section), first_row, dim })
    }

    pub(super) fn owned(rows: Vec<f32>, first_row: usize, dim: usize) -> Self {
        Self { source: Source::Owned(rows), first_row, dim }
    }

    /// The index in the batch of the first of these rows.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// The number of rows.
    pub fn row_count(&self) -> usize {
        self.len() / self.dim
    }

    /// The rows one by one, each of `dim` values.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.chunks_exact(self.dim)
    }
}

impl Deref for MappedRows {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.source {
            #[cfg(feature = "gpu")]
            Source::Mapped(view, section) => {
                view.section(*section).map_or(&[], bytemuck::cast_slice)
            }
            Source::Owned(rows) => rows,
        }
    }
}

impl fmt::Debug for MappedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.first_row..self.first_row + self.row_count();
        f.debug_struct("MappedRows").field("rows", &rows).field("dim", &self.dim).finish()
    }
}
