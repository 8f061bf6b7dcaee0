//! Decoded rows that are not copied out.

use std::fmt;
use std::ops::{Deref, Range};

use super::ring::{self, Ring};
use crate::codes::Codes;
use crate::cpu;
use crate::error::Result;
use crate::gpu::ReadView;
use crate::model::Model;

/// Bytes of rows that the CPU engine decodes into one view.
const BLOCK_BYTES: usize = 8 << 20;

/// Some consecutive decoded rows, `[rows, dim]` row-major, in mapped memory.
///
/// Dropping it gives the memory back to the codec. On some adapters mapped memory is slow to read
/// again and again: read it once, in order.
pub struct MappedRows {
    source: Source,
    first_row: usize,
    dim: usize,
}

enum Source {
    Mapped(Box<ReadView>),
    Owned(Vec<f32>),
}

impl MappedRows {
    fn mapped(view: ReadView, first_row: usize, dim: usize) -> Result<Self> {
        // Checked here, so that the view can be dereferenced without an error.
        ring::values::<f32>(view.section(0))?;
        Ok(Self { source: Source::Mapped(Box::new(view)), first_row, dim })
    }

    /// The index in the batch of the first of these rows.
    pub fn first_row(&self) -> usize {
        self.first_row
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
            Source::Mapped(view) => bytemuck::cast_slice(view.section(0)),
            Source::Owned(rows) => rows,
        }
    }
}

impl fmt::Debug for MappedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.first_row..self.first_row + self.len() / self.dim;
        f.debug_struct("MappedRows").field("rows", &rows).field("dim", &self.dim).finish()
    }
}

/// Decoded rows in mapped memory, chunk by chunk, for tasks that must not block.
///
/// Made by [`Codec::decode_mapped_async`](crate::Codec::decode_mapped_async).
pub struct MappedStream<'a>(pub(super) Chunks<'a>);

impl MappedStream<'_> {
    /// The next rows, or none after the last.
    ///
    /// # Errors
    /// Loss of the GPU, or its memory is full of kept views; the stream then ends.
    pub async fn next(&mut self) -> Option<Result<MappedRows>> {
        self.0.next().await
    }
}

/// The chunks of a decode, on either engine.
pub(super) enum Chunks<'a> {
    Cpu { model: &'a Model, codes: &'a Codes, rest: Range<usize> },
    Gpu { ring: Ring<'a>, dim: usize },
}

impl Chunks<'_> {
    /// As [`Ring::large_chunks`].
    pub(super) fn large_chunks(self) -> Result<Self> {
        match self {
            Self::Gpu { ring, dim } => Ok(Self::Gpu { ring: ring.large_chunks()?, dim }),
            cpu @ Self::Cpu { .. } => Ok(cpu),
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<MappedRows>> {
        match self {
            Self::Cpu { model, codes, rest } => {
                let dim = model.config().dim;
                let range = rest.start..rest.end.min(rest.start + block_rows(dim));
                rest.start = range.end;
                (!range.is_empty()).then(|| {
                    let mut rows = vec![0.0; range.len() * dim];
                    cpu::decode(model, codes, range.clone(), &mut rows);
                    Ok(MappedRows { source: Source::Owned(rows), first_row: range.start, dim })
                })
            }
            Self::Gpu { ring, dim } => {
                let view = ring.next().await?;
                Some(view.and_then(|(range, view)| MappedRows::mapped(view, range.start, *dim)))
            }
        }
    }
}

/// Rows of a view on the CPU engine.
fn block_rows(dim: usize) -> usize {
    (BLOCK_BYTES / size_of::<f32>() / dim).max(1)
}
