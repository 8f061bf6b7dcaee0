//! What an index asks of a codec.
//!
//! The CPU engine answers, for a codec on a GPU, too: rows are searched where their codes are, and an index
//! holds them in the host's memory.

use super::Codec;
use crate::cpu;
use crate::error::Result;
use crate::search::{Batch, Candidate, Metric, Queries, Records, View};

impl Codec {
    /// Makes codes of this codec's model ready to be searched.
    pub(crate) fn load(&self, metric: Metric, records: Records) -> Result<Batch> {
        cpu::search::load(self.model(), metric, records)
    }

    /// How many queries of `k` hits each to answer together.
    pub(crate) fn queries_at_once(&self, k: usize) -> usize {
        cpu::search::queries_at_once(self.model(), k)
    }

    /// The `k` best rows of each query, best first.
    pub(crate) fn search(
        &self,
        views: &[View<'_>],
        queries: &Queries,
        k: usize,
    ) -> Result<Vec<Vec<Candidate>>> {
        cpu::search::search(self.model(), views, queries, k)
    }

    /// The `k` best candidates of each query, best first. Candidates are numbers of rows.
    pub(crate) fn rank(
        &self,
        views: &[View<'_>],
        queries: &Queries,
        candidates: &[Vec<u64>],
        k: usize,
    ) -> Result<Vec<Vec<Candidate>>> {
        cpu::search::rank(self.model(), views, queries, candidates, k)
    }
}
