//! Codes to rows, in every form a caller may want them.

use std::ops::Range;

use wgpu::WriteOnly;

use super::mapped::{Chunks, MappedRows};
use super::memory::{fault_in, zeroed};
use super::ring::{GpuEngine, Ring};
use super::transfer::{collected, copy, extend_nested, write_codes};
use super::{Backend, Codec, check_output, ring};
use crate::codes::Codes;
use crate::cpu;
use crate::error::Result;
use crate::gpu::{Mode, Program};
use crate::rows::Rows;

impl Codec {
    /// Decodes into one `Vec` a row.
    ///
    /// Blocks once a chunk, copies once, allocates a `Vec` a row.
    ///
    /// # Errors
    /// Codes of another model; loss of the GPU.
    pub fn decode(&self, codes: &Codes) -> Result<Vec<Vec<f32>>> {
        pollster::block_on(self.decode_nested(Mode::Block, codes))
    }

    /// Decodes into one `Vec` of rows `[rows, dim]`, row-major.
    ///
    /// Blocks once a chunk, copies once, allocates the result.
    ///
    /// # Errors
    /// Codes of another model; loss of the GPU.
    pub fn decode_flat(&self, codes: &Codes) -> Result<Vec<f32>> {
        pollster::block_on(self.decode_vec(Mode::Block, codes))
    }

    /// Decodes into the caller's slice of rows `[rows, dim]`, row-major.
    ///
    /// Blocks once a chunk, copies once, allocates nothing. After an error the slice's contents
    /// are unspecified.
    ///
    /// # Errors
    /// A slice of another length than `rows * dim`, codes of another model; loss of the GPU.
    pub fn decode_into(&self, codes: &Codes, out: &mut [f32]) -> Result<()> {
        pollster::block_on(self.decode_slice(Mode::Block, codes, out))
    }

    /// Decodes into views of mapped memory, some thousands of rows at a time, in order.
    ///
    /// Blocks once a chunk, copies nothing, allocates nothing where buffers are idle. A view that
    /// is dropped before the next is asked for gives its memory to a later chunk; views may also
    /// be kept or sent to other threads, and then each chunk takes memory of its own. On the CPU
    /// engine a view owns the block it shows.
    ///
    /// # Errors
    /// Codes of another model. The iterator yields an error, and then ends, when the GPU is lost
    /// or its memory is full of kept views.
    pub fn decode_mapped<'a>(
        &'a self,
        codes: &'a Codes,
    ) -> Result<impl Iterator<Item = Result<MappedRows>> + Send + 'a> {
        let mut chunks = self.decode_chunks(Mode::Block, codes)?.large_chunks()?;
        Ok(std::iter::from_fn(move || pollster::block_on(chunks.next())))
    }

    /// The rows `[rows, dim]` that latents `[rows, latent_dim]` decode to: `Wd z + bd`.
    ///
    /// Blocks once a chunk, copies once each way, allocates the result.
    ///
    /// # Errors
    /// No latents, a length that is no multiple of `latent_dim`, NaN or infinity; loss of the GPU.
    pub fn decode_latent(&self, latents: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("latents", latents, self.model().config().latent_dim)?;
        pollster::block_on(self.decode_latent_rows(Mode::Block, rows))
    }

    pub(super) fn decode_chunks<'a>(&'a self, mode: Mode, codes: &'a Codes) -> Result<Chunks<'a>> {
        let model = self.model();
        codes.check_model(model)?;
        Ok(match self.backend() {
            Backend::Cpu => Chunks::Cpu { model, codes, rest: 0..codes.row_count() },
            Backend::Gpu(engine) => {
                let ring = Self::decode_ring(engine, &engine.programs.decode, mode, codes)?;
                Chunks::Gpu { ring, dim: model.config().dim }
            }
        })
    }

    pub(super) fn decode_ring<'a>(
        engine: &'a GpuEngine,
        program: &'a Program,
        mode: Mode,
        codes: &'a Codes,
    ) -> Result<Ring<'a>> {
        let scale_stride = u32::from(codes.scales().len() > 1);
        engine.run(program, mode, codes.row_count(), scale_stride, |range, sections| {
            fill_codes(codes, range, sections);
            Ok(())
        })
    }

    pub(super) async fn decode_vec(&self, mode: Mode, codes: &Codes) -> Result<Vec<f32>> {
        codes.check_model(self.model())?;
        let len = codes.row_count() * self.model().config().dim;
        match self.backend() {
            Backend::Cpu => {
                let mut out = zeroed(len);
                cpu::decode(self.model(), codes, 0..codes.row_count(), &mut out);
                Ok(out)
            }
            Backend::Gpu(engine) => {
                let ring = Self::decode_ring(engine, &engine.programs.decode, mode, codes)?;
                gather(ring, len, self.model().config().dim).await
            }
        }
    }

    pub(super) async fn decode_nested(&self, mode: Mode, codes: &Codes) -> Result<Vec<Vec<f32>>> {
        let mut chunks = self.decode_chunks(mode, codes)?;
        let mut rows = Vec::with_capacity(codes.row_count());
        while let Some(chunk) = chunks.next().await {
            extend_nested(&mut rows, &chunk?, self.model().config().dim);
        }
        Ok(rows)
    }

    pub(super) async fn decode_slice(
        &self,
        mode: Mode,
        codes: &Codes,
        out: &mut [f32],
    ) -> Result<()> {
        codes.check_model(self.model())?;
        let dim = self.model().config().dim;
        check_output(codes.row_count(), dim, out.len())?;
        match self.backend() {
            Backend::Cpu => cpu::decode(self.model(), codes, 0..codes.row_count(), out),
            Backend::Gpu(engine) => {
                let mut ring = Self::decode_ring(engine, &engine.programs.decode, mode, codes)?;
                while let Some(chunk) = ring.next().await {
                    let (range, view) = chunk?;
                    let out = &mut out[range.start * dim..range.end * dim];
                    copy(out, ring::values(view.section(0))?);
                }
            }
        }
        Ok(())
    }

    pub(super) async fn decode_latent_rows(
        &self,
        mode: Mode,
        latents: Rows<'_>,
    ) -> Result<Vec<f32>> {
        let dim = self.model().config().dim;
        let len = latents.len() * dim;
        match self.backend() {
            Backend::Cpu => {
                let mut out = zeroed(len);
                cpu::decode_latent(self.model(), &latents, &mut out)?;
                Ok(out)
            }
            Backend::Gpu(engine) => {
                let program = &engine.programs.decode_latent;
                let ring = engine.run_rows(program, mode, &latents)?;
                gather(ring, len, dim).await
            }
        }
    }
}

/// Writes the input's sections of some rows.
pub(super) fn fill_codes(codes: &Codes, range: Range<usize>, sections: Vec<WriteOnly<'_, [u8]>>) {
    let mut sections = sections.into_iter();
    if let (Some(scales), Some(packed)) = (sections.next(), sections.next()) {
        write_codes(codes, range, scales, packed);
    }
}

/// All rows of a ring in one `Vec`. A single chunk goes into memory that the allocator may have at
/// hand; the memory of more is found, and brought in chunk by chunk, while the GPU works.
pub(super) async fn gather(mut ring: Ring<'_>, len: usize, width: usize) -> Result<Vec<f32>> {
    if ring.next_rows() * width == len {
        return match ring.next().await {
            Some(chunk) => Ok(collected(ring::values(chunk?.1.section(0))?)),
            None => Ok(vec![]),
        };
    }
    ring.start().await?;
    let mut out = zeroed(len);
    let mut rest = out.as_mut_slice();
    while !rest.is_empty() {
        let (part, after) = rest.split_at_mut(ring.next_rows() * width);
        fault_in(part);
        let Some(chunk) = ring.next().await else { break };
        let (_, view) = chunk?;
        copy(part, ring::values(view.section(0))?);
        rest = after;
    }
    Ok(out)
}
