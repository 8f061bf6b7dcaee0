//! The verbs for tasks: the same calls, as futures for any executor.
//!
//! A future prepares and copies rows on the thread that polls it, and computes nothing there. On a
//! GPU one thread of the library polls the device and wakes the tasks. On the CPU engine the thread
//! pool computes on copies of the rows and wakes the tasks. Dropping a future drops only the result
//! of this future. Its buffers return to the pool of buffers, except for buffers whose mapping is
//! pending, which are freed.

use half::f16;

use super::blocks::Use;
use super::pool::on_pool;
use super::{Codec, CodecOptions, Drift, EncodeOptions, EncodeReport, MappedStream};
use crate::codes::Codes;
use crate::element::Element;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::model::Model;
use crate::rows::Rows;
use crate::wait::WaitMode;

impl Codec {
    /// [`new`](Self::new) as a future: pipelines are compiled on the thread pool.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub async fn new_async(model: Model) -> Result<Self> {
        Self::with_options_async(model, CodecOptions::default()).await
    }

    /// [`with_options`](Self::with_options) as a future: pipelines are compiled on the thread pool.
    ///
    /// # Errors
    /// As for [`with_options`](Self::with_options).
    pub async fn with_options_async(model: Model, options: CodecOptions) -> Result<Self> {
        on_pool(move || Self::with_options(model, options)).await
    }

    /// [`encode`](Self::encode) as a future.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    pub async fn encode_async<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<Codes> {
        let rows = Rows::nested(rows, self.model().config().dim)?;
        self.encode_rows(WaitMode::Async, rows).await
    }

    /// [`encode_flat`](Self::encode_flat) as a future.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat).
    pub async fn encode_flat_async<T: Element>(&self, rows: &[T]) -> Result<Codes> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        self.encode_rows(WaitMode::Async, rows).await
    }

    /// [`encode_with`](Self::encode_with) as a future.
    ///
    /// # Errors
    /// As for [`encode_with`](Self::encode_with).
    pub async fn encode_with_async<R: AsRef<[f32]>>(
        &self,
        rows: &[R],
        options: EncodeOptions,
    ) -> Result<(Codes, EncodeReport)> {
        let rows = Rows::nested(rows, self.model().config().dim)?;
        self.encode_rows_with(WaitMode::Async, &rows, options).await
    }

    /// [`encode_flat_with`](Self::encode_flat_with) as a future.
    ///
    /// # Errors
    /// As for [`encode_flat_with`](Self::encode_flat_with).
    pub async fn encode_flat_with_async<T: Element>(
        &self,
        rows: &[T],
        options: EncodeOptions,
    ) -> Result<(Codes, EncodeReport)> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        self.encode_rows_with(WaitMode::Async, &rows, options).await
    }

    /// [`check`](Self::check) as a future.
    ///
    /// # Errors
    /// As for [`check`](Self::check).
    pub async fn check_async<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<Drift> {
        let rows = Rows::nested(rows, self.model().config().dim)?;
        self.check_rows(WaitMode::Async, rows).await
    }

    /// [`check_flat`](Self::check_flat) as a future.
    ///
    /// # Errors
    /// As for [`check_flat`](Self::check_flat).
    pub async fn check_flat_async<T: Element>(&self, rows: &[T]) -> Result<Drift> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        self.check_rows(WaitMode::Async, rows).await
    }

    /// [`reencode`](Self::reencode) as a future.
    ///
    /// # Errors
    /// As for [`reencode`](Self::reencode).
    pub async fn reencode_async(&self, from: &Self, codes: &Codes) -> Result<Codes> {
        self.reencode_rows(WaitMode::Async, from, codes).await
    }

    /// [`encode_latent`](Self::encode_latent) as a future.
    ///
    /// # Errors
    /// As for [`encode_latent`](Self::encode_latent).
    pub async fn encode_latent_async(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        self.encode_latent_rows(WaitMode::Async, rows).await
    }

    /// [`encode_latent_with_regions`](Self::encode_latent_with_regions) as a future.
    ///
    /// # Errors
    /// As for [`encode_latent_with_regions`](Self::encode_latent_with_regions).
    pub async fn encode_latent_with_regions_async(
        &self,
        rows: &[f32],
    ) -> Result<(Vec<f32>, Vec<u8>)> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        self.encode_latents_and_regions(WaitMode::Async, rows).await
    }

    /// [`decode`](Self::decode) as a future.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub async fn decode_async(&self, codes: &Codes) -> Result<Vec<Vec<f32>>> {
        self.decode_nested(WaitMode::Async, codes).await
    }

    /// [`decode_flat`](Self::decode_flat) as a future.
    ///
    /// # Errors
    /// As for [`decode_flat`](Self::decode_flat).
    pub async fn decode_flat_async(&self, codes: &Codes) -> Result<Vec<f32>> {
        self.decode_vec(WaitMode::Async, codes).await
    }

    /// [`decode_flat_f16`](Self::decode_flat_f16) as a future.
    ///
    /// # Errors
    /// As for [`decode_flat_f16`](Self::decode_flat_f16).
    pub async fn decode_flat_f16_async(&self, codes: &Codes) -> Result<Vec<f16>> {
        self.decode_vec_f16(WaitMode::Async, codes).await
    }

    /// [`decode_into`](Self::decode_into) as a future.
    ///
    /// # Errors
    /// As for [`decode_into`](Self::decode_into).
    pub async fn decode_into_async<T: Element>(&self, codes: &Codes, out: &mut [T]) -> Result<()> {
        self.decode_slice(WaitMode::Async, codes, out).await
    }

    /// [`decode_mapped`](Self::decode_mapped) as a stream of views.
    ///
    /// # Errors
    /// As for [`decode_mapped`](Self::decode_mapped).
    pub fn decode_mapped_async<'a>(&'a self, codes: &'a Codes) -> Result<MappedStream<'a>> {
        Ok(MappedStream::new(self.decode_chunks(WaitMode::Async, codes, Use::Viewed)?))
    }

    /// [`decode_latent`](Self::decode_latent) as a future.
    ///
    /// # Errors
    /// As for [`decode_latent`](Self::decode_latent).
    pub async fn decode_latent_async(&self, latents: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("latents", latents, self.model().config().latent_dim)?;
        self.decode_latent_rows(WaitMode::Async, rows, None).await
    }

    /// [`decode_latent_with_regions`](Self::decode_latent_with_regions) as a future.
    ///
    /// # Errors
    /// As for [`decode_latent_with_regions`](Self::decode_latent_with_regions).
    pub async fn decode_latent_with_regions_async(
        &self,
        latents: &[f32],
        regions: &[u8],
    ) -> Result<Vec<f32>> {
        let rows = Rows::flat("latents", latents, self.model().config().latent_dim)?;
        self.decode_latent_rows(WaitMode::Async, rows, Some(regions)).await
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
        self.evaluate_rows(WaitMode::Async, rows).await
    }
}
