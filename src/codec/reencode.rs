//! Codes of one model moved to another, as after a new fit.

use super::Codec;
use super::blocks::{Blocks, PART_BYTES};
use crate::codes::Codes;
use crate::error::{Error, Result};
use crate::rows::Rows;
use crate::wait::WaitMode;

impl Codec {
    /// Encodes the rows of another codec's codes, without their original values: `from` decodes each row,
    /// and this codec encodes it, 64 MiB of rows at a time.
    ///
    /// A row then has the errors of both codes: at most about the sum of the two squared errors. Encode the
    /// original rows where you still have them. For 5,000 sentence embeddings of 384 values in 64 bytes,
    /// the relative MSE was 0.071 with a model of 15,000 rows, 0.066 with a model of 30,000 rows, and
    /// 0.115 for codes that were moved from the first to the second.
    ///
    /// Blocks, copies and allocates as [`decode_flat`](Self::decode_flat) and
    /// [`encode_flat`](Self::encode_flat) do.
    ///
    /// # Errors
    /// Rows of the two models differ in length; the codes were made by another model than that of `from`;
    /// a decoded row is not finite or exceeds the range of the new model's latents (which row); the memory
    /// is full; a GPU is lost.
    pub fn reencode(&self, from: &Self, codes: &Codes) -> Result<Codes> {
        pollster::block_on(self.reencode_rows(WaitMode::Blocking, from, codes))
    }

    pub(super) async fn reencode_rows(
        &self,
        mode: WaitMode,
        from: &Self,
        codes: &Codes,
    ) -> Result<Codes> {
        let (dim, found) = (self.model().config().dim, from.model().config().dim);
        if dim != found {
            let what = "values in a row of the old model";
            let remedy = "pass codecs of rows of the same length";
            return Err(Error::CodesShape { what, expected: dim, found, remedy });
        }
        codes.check_model(from.model())?;
        let mut parts = Blocks::of_bytes(codes.row_count(), dim * size_of::<f32>(), PART_BYTES);
        let mut all: Option<Codes> = None;
        while let Some(part) = parts.take() {
            let start = part.start;
            let rows = from.decode_vec(mode, &codes.slice(part)?).await?;
            let encoded = self.encode_rows(mode, Rows::flat("rows", &rows, dim)?).await;
            let part = encoded.map_err(|e| e.with_row_offset(start))?;
            match &mut all {
                Some(all) => all.append(&part)?,
                None => all = Some(part),
            }
        }
        all.ok_or(Error::EmptyBatch { dim })
    }
}
