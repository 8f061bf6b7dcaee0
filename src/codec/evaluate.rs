//! What a codec loses, and how long it takes.

use std::time::{Duration, Instant};

use super::Codec;
use crate::error::Result;
use crate::metrics::{ErrorSums, Metrics};
use crate::rows::Rows;
use crate::wait::WaitMode;

impl Codec {
    /// Encodes and decodes rows, and measures the error and the rates.
    ///
    /// The rates are of this one call: a first call may include what later ones find ready.
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
        let mut sums = ErrorSums::default();
        for (row, decoded) in rows.iter().zip(&decoded) {
            sums.add(row.as_ref(), decoded, config.dim)?;
        }
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
