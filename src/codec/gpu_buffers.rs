//! Rows, codes and hits in buffers of the caller's.

use std::marker::PhantomData;
use std::ops::Range;

use wgpu::{Buffer, BufferUsages};

use crate::element::Element;
use crate::error::{Error, RecordError, Result};
use crate::gpu::Gpu;
use crate::model::Model;
use crate::plan::{Section, padded};

/// Rows `[rows, dim]`, row-major, in a buffer on a GPU.
///
/// Rows of `f32` lie without gaps. A row of `f16` takes its values and zeros up to a multiple of four.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct GpuRows<'a, T = f32> {
    pub(super) at: At<'a>,
    pub(super) rows: usize,
    values: PhantomData<T>,
}

/// Codes of rows in a buffer on a GPU, and their scales where the model has some.
///
/// A row takes its bytes of [`Codes::as_bytes`](crate::Codes::as_bytes), and zeros up to a multiple of four.
///
/// A scale is an `f32` per row, as in [`Codes::scales`](crate::Codes::scales), with two differences when rows are
/// encoded: it is infinite where the latents of a row are not finite, and the scale of a row outside the range of
/// the rows of the fit is negative. Decoding takes the magnitude. The codes of a bit model without norms have no
/// scales; with a buffer for them, encoding writes 1, -1 or infinity.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct GpuCodes<'a> {
    pub(super) at: At<'a>,
    pub(super) scales: Option<At<'a>>,
    pub(super) rows: usize,
}

/// Room for the hits of a search in a buffer on a GPU: `[queries, k]`, each the number of a row as `u32` and a
/// score as `f32`.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct GpuHits<'a> {
    pub(super) at: At<'a>,
}

impl<'a, T: Element> GpuRows<'a, T> {
    /// `rows` rows from byte `offset` of a buffer on.
    pub fn new(buffer: &'a Buffer, offset: u64, rows: usize) -> Self {
        Self { at: At { buffer, offset }, rows, values: PhantomData }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of so many rows of a model.
    #[must_use]
    pub fn bytes(model: &Model, rows: usize) -> u64 {
        let dim = model.config().dim;
        let values = if T::IS_F16 { padded(dim) } else { dim };
        (rows as u64).saturating_mul((values * size_of::<T>()) as u64)
    }
}

impl<'a> GpuCodes<'a> {
    /// `rows` rows of codes from byte `offset` of a buffer on.
    pub fn new(buffer: &'a Buffer, offset: u64, rows: usize) -> Self {
        Self { at: At { buffer, offset }, scales: None, rows }
    }

    /// The same codes with their scales from byte `offset` of a buffer on.
    pub fn with_scales(self, buffer: &'a Buffer, offset: u64) -> Self {
        Self { scales: Some(At { buffer, offset }), ..self }
    }

    /// Bytes of so many rows of codes of a model.
    #[must_use]
    pub fn bytes(model: &Model, rows: usize) -> u64 {
        (rows as u64).saturating_mul(padded(model.config().packed_size()) as u64)
    }

    /// Bytes of the scales of so many rows.
    #[must_use]
    pub fn scale_bytes(rows: usize) -> u64 {
        (rows as u64).saturating_mul(SCALE_BYTES)
    }
}

impl<'a> GpuHits<'a> {
    /// Hits from byte `offset` of a buffer on.
    pub fn new(buffer: &'a Buffer, offset: u64) -> Self {
        Self { at: At { buffer, offset } }
    }

    /// Bytes of `k` hits of each query.
    #[must_use]
    pub fn bytes(queries: usize, k: usize) -> u64 {
        (queries as u64).saturating_mul(k as u64).saturating_mul(HIT_BYTES)
    }
}

pub(super) const SCALE_BYTES: u64 = 4;
const HIT_BYTES: u64 = 8;

/// From where on a buffer holds something.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) offset: u64,
}

impl<'a> At<'a> {
    /// `bytes` bytes, if a kernel can read or write them.
    pub(super) fn checked(self, gpu: &Gpu, what: &'static str, bytes: u64) -> Result<Range<u64>> {
        let Self { buffer, offset } = self;
        if !buffer.usage().contains(BufferUsages::STORAGE) {
            let usage = "BufferUsages::STORAGE";
            return Err(Error::Record(RecordError::Usage { what, usage }));
        }
        let alignment = gpu.device().limits().min_storage_buffer_offset_alignment;
        if !offset.is_multiple_of(alignment.into()) {
            return Err(Error::Record(RecordError::Alignment { what, offset, alignment }));
        }
        let (required, available) = (offset.saturating_add(bytes), buffer.size());
        if required > available {
            return Err(Error::Record(RecordError::Size { what, required, available }));
        }
        Ok(offset..required)
    }

    /// Fails if what is written is in a buffer that is read.
    pub(super) fn check_apart(
        self,
        input: &'static str,
        written: &At<'_>,
        output: &'static str,
    ) -> Result<()> {
        match self.buffer == written.buffer {
            true => Err(Error::Record(RecordError::SameBuffer { input, output })),
            false => Ok(()),
        }
    }

    /// Some rows, as a section.
    pub(super) fn section(
        self,
        section: Section,
        row_bytes: u64,
        rows: &Range<usize>,
    ) -> (Section, &'a Buffer, Range<u64>) {
        let at = |row: usize| self.offset + row_bytes * row as u64;
        (section, self.buffer, at(rows.start)..at(rows.end))
    }
}
