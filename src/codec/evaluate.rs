//! Measures a codec's error and rates.

use std::time::{Duration, Instant};

use super::Codec;
use super::pool::on_pool;
use crate::error::Result;
use crate::metrics::{ErrorSums, Metrics};
use crate::rows::Rows;
use crate::wait::WaitMode;

impl Codec {
    /// Encodes and decodes rows, and measures the error and the rates.
    ///
    /// The rates are those of this call. A first call also creates buffers.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    pub fn evaluate<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<(Vec<Vec<f32>>, Metrics)> {
        pollster::block_on(self.evaluate_rows(WaitMode::Blocking, rows))
    }

    pub(super) async fn evaluate_rows<R: AsRef<[f32]>>(
        &self,
        mode: WaitMode,
        rows: &[R],
    ) -> Result<(Vec<Vec<f32>>, Metrics)> {
        let config = self.model().config();
        let start = Instant::now();
        let codes = self.encode_rows(mode, Rows::nested(rows, config.dim)?).await?;
        let encoded = Instant::now();
        let decoded = self.decode_nested(mode, &codes).await?;
        let (encode_time, decode_time) = (encoded - start, encoded.elapsed());
        let (sums, decoded) = match mode {
            WaitMode::Blocking => (sums_of(rows, &decoded, config.dim)?, decoded),
            WaitMode::Async => {
                let (owned, dim) = (owned_rows(rows), config.dim);
                let work = move || sums_of(&owned, &decoded, dim).map(|sums| (sums, decoded));
                on_pool(work).await?
            }
        };
        let rate = |time: Duration| rows.len() as f64 / time.as_secs_f64();
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
}

fn sums_of<R: AsRef<[f32]>>(rows: &[R], decoded: &[Vec<f32>], dim: usize) -> Result<ErrorSums> {
    let mut sums = ErrorSums::default();
    for (row, decoded) in rows.iter().zip(decoded) {
        sums.add(row.as_ref(), decoded, dim)?;
    }
    Ok(sums)
}

/// A copy for work on another thread.
fn owned_rows<R: AsRef<[f32]>>(rows: &[R]) -> Vec<Vec<f32>> {
    rows.iter().map(|row| row.as_ref().to_vec()).collect()
}
