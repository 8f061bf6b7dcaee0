//! Codes to rows. Each verb puts the decoded chunks into its own kind of result.

use half::f16;

use super::blocks::Use;
use super::chunks::Chunks;
use super::huge_pages::zeroed;
use super::mapped::MappedChunks;
use super::{Codec, check_output};
use crate::codes::Codes;
use crate::element::Element;
use crate::error::Result;
use crate::memory;
use crate::wait::WaitMode;

/// What decoded rows are called in an error about memory.
pub(super) const DECODED: &str = "the decoded rows";

impl Codec {
    /// Decodes into one `Vec` per row.
    ///
    /// Blocks once per chunk, copies once, allocates a `Vec` per row.
    ///
    /// # Errors
    /// Codes of another model; a result that exceeds the memory; loss of the GPU.
    pub fn decode(&self, codes: &Codes) -> Result<Vec<Vec<f32>>> {
        pollster::block_on(self.decode_nested(WaitMode::Blocking, codes))
    }

    /// Decodes into one `Vec` of rows `[rows, dim]`, row-major.
    ///
    /// Blocks once per chunk, copies once, allocates the result.
    ///
    /// # Errors
    /// Codes of another model; a result that exceeds the memory; loss of the GPU.
    pub fn decode_flat(&self, codes: &Codes) -> Result<Vec<f32>> {
        pollster::block_on(self.decode_vec(WaitMode::Blocking, codes))
    }

    /// Decodes into one `Vec` of rows `[rows, dim]` as f16, row-major: what
    /// [`decode_flat`](Self::decode_flat) gives, rounded to the 11 bits of an f16. Whether a GPU
    /// rounds to nearest or towards zero is its driver's choice. Values beyond 65,504 are not
    /// defined.
    ///
    /// Blocks once per chunk, copies once, allocates the result.
    ///
    /// # Errors
    /// Codes of another model; a result that exceeds the memory; loss of the GPU.
    pub fn decode_flat_f16(&self, codes: &Codes) -> Result<Vec<f16>> {
        pollster::block_on(self.decode_vec_f16(WaitMode::Blocking, codes))
    }

    /// Decodes into the caller's slice of rows `[rows, dim]`, row-major, of f32 or f16. Rows of f16
    /// are rounded as by [`decode_flat_f16`](Self::decode_flat_f16).
    ///
    /// Blocks once per chunk, copies once, allocates nothing. After an error the slice's contents
    /// are unspecified.
    ///
    /// # Errors
    /// A slice of another length than `rows * dim`, codes of another model; loss of the GPU.
    pub fn decode_into<T: Element>(&self, codes: &Codes, out: &mut [T]) -> Result<()> {
        pollster::block_on(self.decode_slice(WaitMode::Blocking, codes, out))
    }

    /// Decodes into views of mapped memory, some thousands of rows at a time, in order.
    ///
    /// Blocks once per chunk, copies nothing, allocates nothing where buffers are idle. A view that
    /// is dropped before the next is asked for gives its memory to a later chunk. Views may also be
    /// held or sent to other threads, and then each chunk takes memory of its own. On the CPU engine
    /// a view owns the block it shows.
    ///
    /// # Errors
    /// Codes of another model. The iterator yields an error, and then ends, when the GPU is lost or
    /// its memory is full of held views.
    pub fn decode_mapped<'a>(&'a self, codes: &'a Codes) -> Result<MappedChunks<'a>> {
        Ok(MappedChunks(self.decode_chunks(WaitMode::Blocking, codes, Use::Viewed)?))
    }

    pub(super) fn decode_chunks<'a, T: Element>(
        &'a self,
        mode: WaitMode,
        codes: &'a Codes,
        purpose: Use,
    ) -> Result<Chunks<'a, T>> {
        codes.check_model(self.model())?;
        self.backend().decode(self.model(), codes, mode, purpose)
    }

    pub(super) async fn decode_nested(
        &self,
        mode: WaitMode,
        codes: &Codes,
    ) -> Result<Vec<Vec<f32>>> {
        let mut chunks = self.decode_chunks::<f32>(mode, codes, Use::Copied)?;
        let row_bytes = size_of::<Vec<f32>>() + self.model().config().dim * size_of::<f32>();
        memory::check::<u8>(DECODED, &[codes.row_count(), row_bytes])?;
        let mut rows = Vec::with_capacity(codes.row_count());
        while let Some(chunk) = chunks.next().await {
            chunk?.push_rows(&mut rows)?;
        }
        Ok(rows)
    }

    pub(super) async fn decode_vec(&self, mode: WaitMode, codes: &Codes) -> Result<Vec<f32>> {
        let chunks = self.decode_chunks(mode, codes, Use::Copied)?;
        let dim = self.model().config().dim;
        gather(DECODED, chunks, codes.row_count(), dim).await
    }

    pub(super) async fn decode_vec_f16(&self, mode: WaitMode, codes: &Codes) -> Result<Vec<f16>> {
        let (rows, dim) = (codes.row_count(), self.model().config().dim);
        let mut chunks = self.decode_chunks(mode, codes, Use::Copied)?;
        if let Some(out) = chunks.appended(DECODED, rows).await? {
            return Ok(out);
        }
        let mut out = zeroed(DECODED, &[rows, dim])?;
        copy_all(chunks, dim, &mut out).await?;
        Ok(out)
    }

    pub(super) async fn decode_slice<T: Element>(
        &self,
        mode: WaitMode,
        codes: &Codes,
        out: &mut [T],
    ) -> Result<()> {
        let chunks = self.decode_chunks(mode, codes, Use::Copied)?;
        let dim = self.model().config().dim;
        check_output(codes.row_count(), dim, out.len())?;
        copy_all(chunks, dim, out).await
    }
}

/// Writes all rows of `width` values.
async fn copy_all<T: Element>(
    mut chunks: Chunks<'_, T>,
    width: usize,
    out: &mut [T],
) -> Result<()> {
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        chunk.copy_to(&mut out[chunk.rows.start * width..chunk.rows.end * width])?;
    }
    Ok(())
}

/// All rows of a result in one `Vec`. A single chunk is collected into a new `Vec`, whose memory
/// the allocator may recycle. For several chunks the whole `Vec` is allocated first. On a GPU its
/// pages are mapped chunk by chunk while the engine works.
pub(super) async fn gather(
    what: &'static str,
    mut chunks: Chunks<'_, f32>,
    rows: usize,
    width: usize,
) -> Result<Vec<f32>> {
    if chunks.next_rows() == rows {
        chunks.start().await?;
        // Where the memory of a GPU is full, the chunk has become smaller.
        if chunks.next_rows() == rows {
            return match chunks.next().await {
                Some(chunk) => chunk?.into_vec(),
                None => Ok(vec![]),
            };
        }
    }
    if let Some(out) = chunks.appended(what, rows).await? {
        return Ok(out);
    }
    let mut out = zeroed(what, &[rows, width])?;
    let mut rest = out.as_mut_slice();
    while !rest.is_empty() {
        chunks.start().await?;
        let (part, after) = rest.split_at_mut(chunks.next_rows() * width);
        chunks.fault_in(part);
        let Some(chunk) = chunks.next().await else { break };
        chunk?.copy_to(part)?;
        rest = after;
    }
    Ok(out)
}
