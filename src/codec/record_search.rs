//! Searching into a caller's encoder, for an index.

use wgpu::CommandEncoder;

use super::Codec;
use super::gpu_buffers::{GpuHits, GpuRows};
use super::gpu_search;
use super::loaded_batch::LoadedBatch;
use crate::error::{Error, Result};
use crate::gpu::RecordedQueries;
use crate::search::{Metric, View};

impl Codec {
    /// Records a search of the `k` best rows of each query. `batches` are those of the views.
    pub(crate) fn record_search(
        &self,
        metric: Metric,
        views: &[View<'_>],
        batches: &[&LoadedBatch],
        encoder: &mut CommandEncoder,
        (queries, hits, k): (&GpuRows<'_>, &GpuHits<'_>, usize),
    ) -> Result<()> {
        let engine = self.recording_engine()?;
        let gpus = self.backend().gpus().len() as u64;
        if gpus > 1 {
            let (what, remedy) = ("GPUs of a recorded search", "make the codec with Engine::Gpu");
            return Err(Error::Limit { what, required: gpus, available: 1, remedy });
        }
        let (gpu, count) = (&engine.gpu, queries.rows);
        if count == 0 {
            return Err(Error::EmptyBatch { dim: self.model().config().dim });
        }
        let rows_bytes = GpuRows::<f32>::bytes(self.model(), count);
        let rows = (queries.at.buffer, queries.at.checked(gpu, "queries", rows_bytes)?);
        let hits_bytes = GpuHits::bytes(count, k);
        let hits_part = (hits.at.buffer, hits.at.checked(gpu, "hits", hits_bytes)?);
        queries.at.check_apart("queries", &hits.at, "hits")?;
        let recorded = RecordedQueries { rows, queries: count, hits: hits_part, k };
        let (model, searches) = (self.model(), [&engine.searches]);
        let mut resident = Vec::with_capacity(batches.len());
        for batch in batches {
            resident.extend(gpu_search::resident_rows(&searches, model, metric, batch)?);
        }
        engine.searches.record(model, metric, views, &resident, encoder, recorded)
    }
}
