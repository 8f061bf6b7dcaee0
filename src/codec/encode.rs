//! Rows to codes.

use super::Codec;
use super::pool::on_pool;
use crate::codes::Codes;
use crate::element::Element;
use crate::error::Result;
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

    pub(super) async fn encode_rows<T: Element>(
        &self,
        mode: WaitMode,
        rows: Rows<'_, T>,
    ) -> Result<Codes> {
        let (packed, scales) = self.encode_to_parts(mode, &rows).await?;
        Codes::from_engine(self.model(), packed, scales)
    }

    /// The packed codes and the scales of rows as the engine gives them: the sign of a scale says whether
    /// the row is clipped.
    pub(super) async fn encode_to_parts<T: Element>(
        &self,
        mode: WaitMode,
        rows: &Rows<'_, T>,
    ) -> Result<(Vec<u8>, Vec<f32>)> {
        if mode == WaitMode::Async && T::IS_F16 {
            // Compiling takes too long for a thread that polls tasks.
            let codec = self.clone();
            on_pool(move || codec.backend().prepare_f16_rows()).await?;
        }
        let chunks = self.backend().encode(self.model(), rows, mode)?;
        chunks.collect(rows.len(), ["the codes", "the scales"]).await
    }
}
