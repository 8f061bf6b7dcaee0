//! Rows to codes.

use std::time::Instant;

use rayon::prelude::*;

use super::decode::gather;
use super::memory::zeroed;
use super::transfer::copy_unpadded;
use super::{Backend, Codec, ring};
use crate::codes::Codes;
use crate::cpu;
use crate::error::{Error, Result};
use crate::gpu::Mode;
use crate::metrics::{ErrorSums, Metrics};
use crate::quantize::normalize;
use crate::rows::{Rows, all_finite};

impl Codec {
    /// Encodes rows given one by one, each of `dim` values.
    ///
    /// Blocks once a chunk. On a GPU rows are copied once, straight into mapped memory, and codes
    /// once on the way back; only the result is allocated.
    ///
    /// # Errors
    /// No rows, a row of another length (which, and both lengths), NaN or infinity (row and
    /// column), values so large that a latent leaves the range of `f32`; loss of the GPU.
    pub fn encode<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<Codes> {
        let rows = Rows::nested(rows, self.model().config().dim)?;
        pollster::block_on(self.encode_rows(Mode::Block, rows))
    }

    /// Encodes rows `[rows, dim]`, row-major.
    ///
    /// Blocks, copies and allocates as [`encode`](Self::encode) does.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode), and a length that is no multiple of `dim`.
    pub fn encode_flat(&self, rows: &[f32]) -> Result<Codes> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        pollster::block_on(self.encode_rows(Mode::Block, rows))
    }

    /// The latents `[rows, latent_dim]` of rows `[rows, dim]`, before quantising: projected, with
    /// the activation applied, and divided by their norm if the model normalises.
    ///
    /// Blocks once a chunk, copies once each way, allocates the result.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat).
    pub fn encode_latent(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        pollster::block_on(self.encode_latent_rows(Mode::Block, rows))
    }

    /// Encodes and decodes rows, and measures what is lost and how long it takes.
    ///
    /// The rates are of this one call: a first call may include what later ones find ready.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    pub fn evaluate<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<(Vec<Vec<f32>>, Metrics)> {
        pollster::block_on(self.evaluate_rows(Mode::Block, rows))
    }

    pub(super) async fn evaluate_rows<R: AsRef<[f32]>>(
        &self,
        mode: Mode,
        rows: &[R],
    ) -> Result<(Vec<Vec<f32>>, Metrics)> {
        let config = self.model().config();
        let start = Instant::now();
        let codes = self.encode_rows(mode, Rows::nested(rows, config.dim)?).await?;
        let encoded = Instant::now();
        let decoded = self.decode_nested(mode, &codes).await?;
        let (encode_time, decode_time) = (encoded - start, encoded.elapsed());
        let mut sums = ErrorSums::default();
        for (row, decoded) in rows.iter().zip(&decoded) {
            sums.add(row.as_ref(), decoded, config.dim)?;
        }
        let rate = |time: std::time::Duration| rows.len() as f64 / time.as_secs_f64();
        let metrics = Metrics {
            mse: sums.mse(),
            relative_mse: sums.relative_mse(),
            max_error: sums.max_error(),
            mean_cosine: sums.mean_cosine(),
            snr_db: sums.snr_db(),
            compression_ratio: config.compression_ratio(),
            encode_rows_per_s: rate(encode_time),
            decode_rows_per_s: rate(decode_time),
        };
        Ok((decoded, metrics))
    }

    pub(super) async fn encode_rows(&self, mode: Mode, rows: Rows<'_>) -> Result<Codes> {
        let size = self.model().config().packed_size();
        let mut packed = zeroed::<u8>(rows.len() * size);
        let mut scales = zeroed::<f32>(rows.len());
        match self.backend() {
            Backend::Gpu(engine) => {
                let program = &engine.programs.encode;
                let mut ring = engine.run_rows(program, mode, &rows)?.large_chunks()?;
                while let Some(chunk) = ring.next().await {
                    let (range, view) = chunk?;
                    scales[range.clone()].copy_from_slice(ring::values(view.section(0))?);
                    let packed = &mut packed[range.start * size..range.end * size];
                    copy_unpadded(packed, view.section(1), size);
                }
            }
            Backend::Cpu => cpu::encode(self.model(), &rows, &mut packed, &mut scales)?,
        }
        Codes::from_engine(self.model(), packed, scales)
    }

    pub(super) async fn encode_latent_rows(&self, mode: Mode, rows: Rows<'_>) -> Result<Vec<f32>> {
        let config = self.model().config();
        let latent_dim = config.latent_dim;
        let len = rows.len() * latent_dim;
        let latents = match self.backend() {
            Backend::Gpu(engine) => {
                let program = &engine.programs.encode_latent;
                let ring = engine.run_rows(program, mode, &rows)?;
                let mut latents = gather(ring, len, latent_dim).await?;
                if config.normalized_latent() {
                    latents.par_chunks_exact_mut(latent_dim).for_each(normalize);
                }
                latents
            }
            Backend::Cpu => {
                let mut latents = zeroed(len);
                cpu::encode_latent(self.model(), &rows, &mut latents)?;
                latents
            }
        };
        let overflows = |latent: &[f32]| !all_finite(latent);
        match latents.par_chunks_exact(latent_dim).position_first(overflows) {
            Some(row) => Err(Error::Overflow { row }),
            None => Ok(latents),
        }
    }
}
