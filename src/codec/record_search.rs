//! Searching into a caller's encoder, for an index.

use wgpu::CommandEncoder;

use super::Codec;
use super::gpu_buffers::{GpuHits, GpuRows};
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
        engine.searches.record(self.model(), metric, views, batches, encoder, recorded)
    }
}
