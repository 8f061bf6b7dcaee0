//! What an index asks of a codec.

use super::Codec;
use super::loaded_batch::LoadedBatch;
use crate::cpu;
use crate::error::Result;
use crate::search::{Candidate, Metric, Queries, Records, ScaledQueries, View};

impl Codec {
    /// Makes codes of this codec's model ready to be searched.
    pub(crate) fn load(&self, metric: Metric, records: Records) -> Result<LoadedBatch> {
        self.backend().load(self.model(), metric, records)
    }

    /// How many queries of `k` hits each to answer together.
    pub(crate) fn queries_at_once(&self, metric: Metric, k: usize) -> Result<usize> {
        self.backend().queries_at_once(self.model(), metric, k)
    }

    /// The `k` best rows of each query, best first, or about a share `recall` of them. `batches` are those of the
    /// views.
    pub(crate) fn search(
        &self,
        views: &[View<'_>],
        batches: &[&LoadedBatch],
        queries: &ScaledQueries,
        (k, recall): (usize, f32),
    ) -> Result<Vec<Vec<Candidate>>> {
        self.backend().search(self.model(), views, batches, queries, (k, recall))
    }

    /// The `k` best candidates of each query, best first. Candidates are numbers of rows.
    pub(crate) fn rank(
        &self,
        views: &[View<'_>],
        queries: &ScaledQueries,
        candidates: &[Vec<u64>],
        k: usize,
    ) -> Result<Vec<Vec<Candidate>>> {
        let queries = Queries::new(self.model(), queries);
        cpu::search::rank(self.model(), views, &queries, candidates, k)
    }
}
