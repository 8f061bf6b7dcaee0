//! Rows to codes, or to latents.

use rayon::prelude::*;

use super::Codec;
use super::decode::gather;
use super::huge_pages::zeroed;
use super::pool::on_pool;
use crate::codes::Codes;
use crate::element::{Element, sealed::Sealed as _};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::quantize::normalize;
use crate::rows::Rows;
use crate::wait::WaitMode;

impl Codec {
    /// Encodes rows given one by one, each of `dim` values.
    ///
    /// Blocks once per chunk. On a GPU rows are copied once, straight into mapped memory, and codes
    /// once on the way back. Only the result is allocated.
    ///
    /// # Errors
    /// No rows, a row of another length (which, and both lengths), NaN or infinity (row and
    /// column), values so large that a latent leaves the range of `f32`; loss of the GPU.
    pub fn encode<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<Codes> {
        let rows = Rows::nested(rows, self.model().config().dim)?;
        pollster::block_on(self.encode_rows(WaitMode::Blocking, rows))
    }

    /// Encodes rows `[rows, dim]`, row-major, of f32 or f16.
    ///
    /// Blocks, copies and allocates as [`encode`](Self::encode) does. Rows of f16 take half the
    /// bytes on the way to a GPU; the first batch of them compiles a pipeline.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode), and a length that is no multiple of `dim`.
    pub fn encode_flat<T: Element>(&self, rows: &[T]) -> Result<Codes> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        pollster::block_on(self.encode_rows(WaitMode::Blocking, rows))
    }

    /// The latents `[rows, latent_dim]` of rows `[rows, dim]`, before quantising: projected, with
    /// the activation applied, and divided by their norm if the model normalises.
    ///
    /// Blocks once per chunk, copies once each way, allocates the result.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat), and a model of several regions.
    pub fn encode_latent(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        pollster::block_on(self.encode_latent_rows(WaitMode::Blocking, rows))
    }

    pub(super) async fn encode_rows<T: Element>(
        &self,
        mode: WaitMode,
        rows: Rows<'_, T>,
    ) -> Result<Codes> {
        let size = self.model().config().packed_size();
        if mode == WaitMode::Async && T::IS_F16 {
            // Compiling takes too long for a thread that polls tasks.
            let codec = self.clone();
            on_pool(move || codec.backend().prepare_f16_rows()).await?;
        }
        let mut chunks = self.backend().encode(self.model(), &rows, mode)?;
        let mut packed = zeroed::<u8>("the codes", &[rows.len(), size])?;
        let mut scales = zeroed::<f32>("the scales", &[rows.len()])?;
        while chunks.write_next(&mut packed, &mut scales, size).await? {}
        Codes::from_engine(self.model(), packed, scales)
    }

    pub(super) async fn encode_latent_rows(
        &self,
        mode: WaitMode,
        rows: Rows<'_>,
    ) -> Result<Vec<f32>> {
        self.model().expect_one_region()?;
        let chunks = self.backend().encode_latent(self.model(), &rows, mode)?;
        let latents =
            gather("the latents", chunks, rows.len(), self.model().config().latent_dim).await?;
        if !self.backend().leaves_latents() {
            return Ok(latents);
        }
        let model = self.model().clone();
        match mode {
            WaitMode::Blocking => finished(&model, latents),
            WaitMode::Async => on_pool(move || finished(&model, latents)).await,
        }
    }
}

/// Latents divided by their norms, in a model that normalises, and checked for overflow.
fn finished(model: &Model, mut latents: Vec<f32>) -> Result<Vec<f32>> {
    let (config, latent_dim) = (model.config(), model.config().latent_dim);
    if config.normalized_latent() {
        latents.par_chunks_exact_mut(latent_dim).for_each(normalize);
    }
    let overflows = |latent: &[f32]| !f32::all_finite(latent);
    match latents.par_chunks_exact(latent_dim).position_first(overflows) {
        Some(row) => Err(Error::Overflow { row }),
        None => Ok(latents),
    }
}
