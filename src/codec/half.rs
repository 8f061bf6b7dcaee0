//! Decoding to f16: half the bytes on the link and in memory.

use half::f16;

use super::memory::zeroed;
use super::transfer::copy_unpadded;
use super::{Backend, Codec, check_output, ring};
use crate::codes::Codes;
use crate::cpu;
use crate::error::Result;
use crate::gpu::Mode;

impl Codec {
    /// Decodes into one `Vec` of rows `[rows, dim]` as f16, row-major: what
    /// [`decode_flat`](Self::decode_flat) gives, rounded to the 11 bits of an f16. Whether a
    /// GPU rounds to nearest or towards zero is its driver's choice; values beyond 65,504 are not
    /// defined.
    ///
    /// Blocks once a chunk, copies once, allocates the result.
    ///
    /// # Errors
    /// Codes of another model; loss of the GPU.
    pub fn decode_flat_f16(&self, codes: &Codes) -> Result<Vec<f16>> {
        pollster::block_on(self.half_vec(Mode::Block, codes))
    }

    /// Decodes into the caller's slice of rows `[rows, dim]` as f16, row-major; rounded as by
    /// [`decode_flat_f16`](Self::decode_flat_f16).
    ///
    /// Blocks once a chunk, copies once, allocates nothing. After an error the slice's contents
    /// are unspecified.
    ///
    /// # Errors
    /// A slice of another length than `rows * dim`, codes of another model; loss of the GPU.
    pub fn decode_into_f16(&self, codes: &Codes, out: &mut [f16]) -> Result<()> {
        pollster::block_on(self.half_slice(Mode::Block, codes, out))
    }

    /// [`decode_flat_f16`](Self::decode_flat_f16) as a future.
    ///
    /// # Errors
    /// As for [`decode_flat_f16`](Self::decode_flat_f16).
    pub async fn decode_flat_f16_async(&self, codes: &Codes) -> Result<Vec<f16>> {
        self.half_vec(Mode::Wake, codes).await
    }

    /// [`decode_into_f16`](Self::decode_into_f16) as a future.
    ///
    /// # Errors
    /// As for [`decode_into_f16`](Self::decode_into_f16).
    pub async fn decode_into_f16_async(&self, codes: &Codes, out: &mut [f16]) -> Result<()> {
        self.half_slice(Mode::Wake, codes, out).await
    }

    async fn half_vec(&self, mode: Mode, codes: &Codes) -> Result<Vec<f16>> {
        codes.check_model(self.model())?;
        let mut out = zeroed(codes.row_count() * self.model().config().dim);
        self.half_slice(mode, codes, &mut out).await?;
        Ok(out)
    }

    async fn half_slice(&self, mode: Mode, codes: &Codes, out: &mut [f16]) -> Result<()> {
        codes.check_model(self.model())?;
        let dim = self.model().config().dim;
        check_output(codes.row_count(), dim, out.len())?;
        match self.backend() {
            Backend::Cpu => cpu::decode_half(self.model(), codes, out),
            Backend::Gpu(engine) => {
                let program = &engine.programs.decode_half;
                let mut ring = Self::decode_ring(engine, program, mode, codes)?;
                while let Some(chunk) = ring.next().await {
                    let (range, view) = chunk?;
                    let out = &mut out[range.start * dim..range.end * dim];
                    copy_unpadded(out, ring::values(view.section(0))?, dim);
                }
            }
        }
        Ok(())
    }
}
