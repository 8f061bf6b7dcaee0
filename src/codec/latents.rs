//! Rows to latents and back, without quantising.

use rayon::prelude::*;

use super::Codec;
use super::decode::{DECODED, gather};
use super::pool::on_pool;
use crate::element::sealed::Sealed as _;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::quantize::normalize;
use crate::rows::Rows;
use crate::wait::WaitMode;

impl Codec {
    /// The latents `[rows, latent_dim]` of rows `[rows, dim]`, before quantising: projected, with
    /// the activation applied, and divided by their norm if the model normalises.
    ///
    /// Blocks once per chunk, copies once each way, allocates the result.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat), and a model of several regions, for which there is
    /// [`encode_latent_with_regions`](Self::encode_latent_with_regions).
    pub fn encode_latent(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        pollster::block_on(self.encode_latent_rows(WaitMode::Blocking, rows))
    }

    /// The latents `[rows, latent_dim]` of rows `[rows, dim]`, and the region of each row `[rows]`.
    /// `latent_dim` is that of the longest region: latents of shorter regions end in zeros. In a model
    /// of one region all regions are 0.
    ///
    /// Blocks once per chunk, copies once each way, allocates the results.
    ///
    /// # Errors
    /// As for [`encode_flat`](Self::encode_flat).
    pub fn encode_latent_with_regions(&self, rows: &[f32]) -> Result<(Vec<f32>, Vec<u8>)> {
        let rows = Rows::flat("rows", rows, self.model().config().dim)?;
        pollster::block_on(self.encode_latents_and_regions(WaitMode::Blocking, rows))
    }

    /// The rows `[rows, dim]` that latents `[rows, latent_dim]` decode to: `Wd z + bd`.
    ///
    /// Blocks once per chunk, copies once each way, allocates the result.
    ///
    /// # Errors
    /// No latents, a length that is no multiple of `latent_dim`, NaN or infinity; a result that
    /// exceeds the memory; loss of the GPU; a model of several regions, for which there is
    /// [`decode_latent_with_regions`](Self::decode_latent_with_regions).
    pub fn decode_latent(&self, latents: &[f32]) -> Result<Vec<f32>> {
        let rows = Rows::flat("latents", latents, self.model().config().latent_dim)?;
        pollster::block_on(self.decode_latent_rows(WaitMode::Blocking, rows, None))
    }

    /// The rows `[rows, dim]` that latents `[rows, latent_dim]` of regions `[rows]` decode to, as
    /// [`encode_latent_with_regions`](Self::encode_latent_with_regions) gives them. Values behind the
    /// latents of a row's region count nothing.
    ///
    /// Blocks once per chunk, copies once each way, allocates the result.
    ///
    /// # Errors
    /// As for [`decode_latent`](Self::decode_latent), except that models may have several regions; a
    /// number of regions other than that of rows, or a region that the model does not have.
    pub fn decode_latent_with_regions(&self, latents: &[f32], regions: &[u8]) -> Result<Vec<f32>> {
        let rows = Rows::flat("latents", latents, self.model().config().latent_dim)?;
        pollster::block_on(self.decode_latent_rows(WaitMode::Blocking, rows, Some(regions)))
    }

    pub(super) async fn encode_latent_rows(
        &self,
        mode: WaitMode,
        rows: Rows<'_>,
    ) -> Result<Vec<f32>> {
        self.model().expect_one_region("call encode_latent_with_regions")?;
        let chunks = self.backend().encode_latent(self.model(), &rows, mode)?;
        let latent_dim = self.model().config().latent_dim;
        let latents = gather(LATENTS, chunks, rows.len(), latent_dim).await?;
        self.finish(mode, latents).await
    }

    pub(super) async fn encode_latents_and_regions(
        &self,
        mode: WaitMode,
        rows: Rows<'_>,
    ) -> Result<(Vec<f32>, Vec<u8>)> {
        let count = rows.len();
        if self.model().region_count() == 1 {
            return Ok((self.encode_latent_rows(mode, rows).await?, vec![0; count]));
        }
        let chunks = self.backend().encode_latent_with_regions(self.model(), &rows, mode)?;
        let (latents, regions) = chunks.collect(count, [LATENTS, "the regions"]).await?;
        Ok((self.finish(mode, latents).await?, regions))
    }

    /// Without `regions` the model must have one region.
    pub(super) async fn decode_latent_rows(
        &self,
        mode: WaitMode,
        latents: Rows<'_>,
        regions: Option<&[u8]>,
    ) -> Result<Vec<f32>> {
        match regions {
            Some(regions) => self.check_regions(latents.len(), regions)?,
            None => self.model().expect_one_region("call decode_latent_with_regions")?,
        }
        let regions = regions.unwrap_or_default();
        let chunks = self.backend().decode_latent(self.model(), &latents, regions, mode)?;
        gather(DECODED, chunks, latents.len(), self.model().config().dim).await
    }

    /// Fails unless there is a region of the model for each row.
    fn check_regions(&self, rows: usize, regions: &[u8]) -> Result<()> {
        if regions.len() != rows {
            return Err(Error::RegionsLength { rows, found: regions.len() });
        }
        let count = self.model().region_count();
        match regions.iter().position(|region| usize::from(*region) >= count) {
            Some(row) => Err(Error::UnknownRegion { row, region: regions[row], count }),
            None => Ok(()),
        }
    }

    /// What a GPU leaves to do about latents.
    async fn finish(&self, mode: WaitMode, latents: Vec<f32>) -> Result<Vec<f32>> {
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

const LATENTS: &str = "the latents";

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
