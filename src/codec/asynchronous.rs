//! The verbs for tasks: the same calls, as futures for any executor.
//!
//! A future prepares and copies rows on the thread that polls it, and waits for the GPU without
//! holding that thread: one thread of the library polls the device and wakes the tasks. On the CPU
//! engine there is nothing to wait for, and a future computes when it is polled. Dropping a future
//! loses its own result and nothing else; its buffers go back to the pool.

use super::{Codec, MappedStream};
use crate::codes::Codes;
use crate::error::Result;
use crate::gpu::Mode;
use crate::metrics::Metrics;
use crate::rows::Rows;

impl Codec {
    /// [`encode`](Self::encode) as a future.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    pub async fn encode_async<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<Codes> {
        let rows = Rows::nested(rows, self.model().config().dim)?;
        self.encode_rows(Mode::Wake, rows).await
    }

    /// [`encode_flat`](Self::encode_flat) as a future.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat).
    pub async fn encode_flat_async(&self, rows: &[f32]) -> Result<Codes> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        self.encode_rows(Mode::Wake, rows).await
    }

    /// [`encode_latent`](Self::encode_latent) as a future.
    ///
    /// # Errors
    /// As for [`encode_latent`](Self::encode_latent).
    pub async fn encode_latent_async(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        self.encode_latent_rows(Mode::Wake, rows).await
    }

    /// [`decode`](Self::decode) as a future.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub async fn decode_async(&self, codes: &Codes) -> Result<Vec<Vec<f32>>> {
        self.decode_nested(Mode::Wake, codes).await
    }

    /// [`decode_flat`](Self::decode_flat) as a future.
    ///
    /// # Errors
    /// As for [`decode_flat`](Self::decode_flat).
    pub async fn decode_flat_async(&self, codes: &Codes) -> Result<Vec<f32>> {
        self.decode_vec(Mode::Wake, codes).await
    }

    /// [`decode_into`](Self::decode_into) as a future.
    ///
    /// # Errors
    /// As for [`decode_into`](Self::decode_into).
    pub async fn decode_into_async(&self, codes: &Codes, out: &mut [f32]) -> Result<()> {
        self.decode_slice(Mode::Wake, codes, out).await
    }

    /// [`decode_mapped`](Self::decode_mapped) as a stream of views.
    ///
    /// # Errors
    /// As for [`decode_mapped`](Self::decode_mapped).
    pub fn decode_mapped_async<'a>(&'a self, codes: &'a Codes) -> Result<MappedStream<'a>> {
        Ok(MappedStream(self.decode_chunks(Mode::Wake, codes)?.large_chunks()?))
    }

    /// [`decode_latent`](Self::decode_latent) as a future.
    ///
    /// # Errors
    /// As for [`decode_latent`](Self::decode_latent).
    pub async fn decode_latent_async(&self, latents: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("latents", latents, self.model().config().latent_dim)?;
        self.decode_latent_rows(Mode::Wake, rows).await
    }

    /// [`evaluate`](Self::evaluate) as a future. The rates include whatever else the executor
    /// does meanwhile.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate).
    pub async fn evaluate_async<R: AsRef<[f32]>>(
        &self,
        rows: &[R],
    ) -> Result<(Vec<Vec<f32>>, Metrics)> {
        self.evaluate_rows(Mode::Wake, rows).await
    }
}
