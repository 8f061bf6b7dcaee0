//! Searches that are recorded into a caller's encoder.

use std::sync::Arc;

use wgpu::CommandEncoder;

use super::ids::NO_ROW;
use super::state::State;
use super::{Hits, Index, SearchOptions};
use crate::codec::{GpuHits, GpuRows};
use crate::error::{Error, IndexError, RecordError, Result};

/// A search that was recorded, which can read its hits.
///
/// It holds the rows of the index as they were when it was recorded.
#[must_use]
pub struct RecordedSearch {
    state: Arc<State>,
    queries: usize,
    k: usize,
}

/// The number of a hit that there is none of, as a kernel writes it.
const NO_NUMBER: u32 = u32::MAX;

impl Index {
    /// Records a search of the `k` best rows of each query into the caller's encoder. Nothing is submitted, and
    /// nothing read back.
    ///
    /// The encoder and the buffers are those of [`Codec::gpu`](crate::Codec::gpu)'s device. `hits` gets
    /// `[queries, k]` hits of 8 bytes, best first: the number of a row as `u32`, and its score as `f32`. Rows are
    /// numbered in the order in which they were added, those included that were removed and are not compacted.
    /// [`RecordedSearch::hits`] turns them into [`Hits`]. If the index has fewer than `k` rows, there are
    /// [`RecordedSearch::k`] hits of each query.
    ///
    /// Scores are sums in `f32`, and rows are ordered by them, those of equal scores by their numbers. They may
    /// differ from those of [`search`](Self::search) in the last digits, and so may the order of rows that are as
    /// near. All queries are multiplied in `f32`, four at a time: for hundreds of queries, `search` is several times
    /// faster where the GPU has cooperative matrices.
    ///
    /// A query has no hits, which means row `u32::MAX` and the worst score, if one of its values is not finite; if
    /// one is above 7e16 and the metric is not [`Metric::Cosine`](crate::Metric::Cosine); and if very many rows come in an order in which
    /// each next one is better, so that its list of candidates overflows.
    ///
    /// # Errors
    /// The codec runs on the CPU; no queries; `k` is 0 or above 2,048; more queries than a recording has room for;
    /// a buffer that is too small, has not the usage `STORAGE`, or an offset that the device does not bind; queries
    /// and hits in one buffer; too little memory of the GPU, or its loss.
    pub fn record_search(
        &self,
        encoder: &mut CommandEncoder,
        queries: GpuRows<'_>,
        k: usize,
        hits: GpuHits<'_>,
    ) -> Result<RecordedSearch> {
        self.record_search_with(encoder, queries, k, hits, SearchOptions::default())
    }

    /// Records a search with options. All rows are scored, whatever the mode.
    ///
    /// # Errors
    /// As for [`record_search`](Self::record_search), or a filter of the wrong length.
    pub fn record_search_with(
        &self,
        encoder: &mut CommandEncoder,
        queries: GpuRows<'_>,
        k: usize,
        hits: GpuHits<'_>,
        options: SearchOptions<'_>,
    ) -> Result<RecordedSearch> {
        if k == 0 {
            return Err(Error::Index(IndexError::ZeroHits));
        }
        let state = self.snapshot();
        let k = k.min(state.len());
        let views = state.views(options.filter)?;
        if k > 0 {
            let what = (&queries, &hits, k);
            self.codec().record_search(self.metric(), &views, &state.batches(), encoder, what)?;
        }
        drop(views);
        Ok(RecordedSearch { state, queries: queries.rows(), k })
    }
}

impl RecordedSearch {
    /// Hits of a query: as many as were asked for, or as many as the index has rows if these are fewer.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// Bytes of all hits.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        GpuHits::bytes(self.queries, self.k)
    }

    /// The hits with the ids of their rows, from the bytes of the buffer of hits after the encoder's commands were
    /// run.
    ///
    /// # Errors
    /// Another number of bytes than [`bytes`](Self::bytes), or a row that the index does not have.
    pub fn hits(&self, bytes: &[u8]) -> Result<Hits> {
        let (expected, found) = (self.bytes(), bytes.len() as u64);
        if expected != found {
            return Err(Error::Record(RecordError::HitsLength { expected, found }));
        }
        let mut hits = Hits { k: self.k, ..Hits::default() };
        for hit in bytes.as_chunks::<8>().0 {
            let [number, score]: [u32; 2] = bytemuck::pod_read_unaligned(hit);
            hits.ids.push(if number == NO_NUMBER { NO_ROW } else { self.id(number)? });
            hits.scores.push(f32::from_bits(score));
        }
        Ok(hits)
    }

    /// The id of a row by its number.
    fn id(&self, number: u32) -> Result<u64> {
        for (first, part) in self.state.with_first_rows() {
            let row = u64::from(number).checked_sub(first);
            if let Some(row) = row.filter(|row| *row < part.row_count() as u64) {
                return Ok(part.ids.of(row as u32));
            }
        }
        let rows = self.state.row_count();
        Err(Error::Record(RecordError::UnknownRow { row: number, rows }))
    }
}
