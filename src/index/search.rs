//! Searches on a snapshot.

use std::ops::Range;

use super::hits::Hits;
use super::ids::NO_ROW;
use super::options::{Filter, QueryValues, SearchOptions, rows};
use super::state::{Part, State};
use super::{Index, Metric};
use crate::codec::{Codec, LoadedBatch, on_pool};
use crate::error::{Error, IndexError, Result};
use crate::rows::Rows;
use crate::search::{Bitmap, Candidate, ScaledQueries, View, locate};

/// A filter that allows less than one row in so many makes a list of rows.
const FEW_ROWS: usize = 8;

impl Index {
    /// Searches the `k` best rows of each query. Queries are flat `[queries, dim]`, or a slice each.
    ///
    /// Blocks until the hits are there. Several queries in one call take less time than one after the other.
    /// If the index has fewer than `k` rows, [`Hits::k`] is their number.
    ///
    /// # Errors
    /// `k` is 0; no queries, or queries of another dimension; a query that is not finite, or so large that
    /// scores may leave the range of `f32`; too little memory.
    pub fn search<Q: QueryValues>(&self, queries: &[Q], k: usize) -> Result<Hits> {
        self.search_with(queries, k, SearchOptions::default())
    }

    /// Searches with options.
    ///
    /// # Errors
    /// As for [`search`](Self::search), a filter of the wrong length, or a recall that is none.
    pub fn search_with<Q: QueryValues>(
        &self,
        queries: &[Q],
        k: usize,
        options: SearchOptions<'_>,
    ) -> Result<Hits> {
        let state = self.snapshot();
        let search = Search::new(self, &state, queries, k)?;
        search.all(options)
    }

    /// [`search`](Self::search) as a future. It computes nothing while it is polled.
    ///
    /// # Errors
    /// As for [`search`](Self::search).
    pub async fn search_async<Q: QueryValues>(&self, queries: &[Q], k: usize) -> Result<Hits> {
        let dim = self.codec().model().config().dim;
        let (rows, mut values) = (rows(queries, dim)?, Vec::new());
        rows.copy_to(0..rows.len(), &mut values);
        let (index, state) = (self.clone(), self.snapshot());
        let search = move || Search::new(&index, &state, &values, k)?.all(SearchOptions::default());
        on_pool(search).await
    }

    /// Scores the candidates of each query, which another index has found, and returns the `k` best of
    /// them. `candidates` has a list of ids for each query. An id that occurs twice counts once.
    ///
    /// # Errors
    /// As for [`search`](Self::search); another number of lists than queries, or an id that the index does
    /// not hold.
    pub fn search_among<Q: QueryValues, C: AsRef<[u64]>>(
        &self,
        queries: &[Q],
        candidates: &[C],
        k: usize,
    ) -> Result<Hits> {
        let state = self.snapshot();
        let search = Search::new(self, &state, queries, k)?;
        search.among(candidates)
    }
}

/// A search, with checked queries.
struct Search<'a> {
    codec: &'a Codec,
    metric: Metric,
    state: &'a State,
    queries: Rows<'a>,
    /// Hits per query.
    k: usize,
}

impl<'a> Search<'a> {
    fn new<Q: QueryValues>(
        index: &'a Index,
        state: &'a State,
        queries: &'a [Q],
        k: usize,
    ) -> Result<Self> {
        if k == 0 {
            return Err(Error::Index(IndexError::ZeroHits));
        }
        let codec = index.codec();
        let queries = rows(queries, codec.model().config().dim)?;
        queries.check_finite(0..queries.len()).map_err(|error| match error {
            Error::NonFinite { row: query, column, value } => {
                Error::Index(IndexError::NonFiniteQuery { query, column, value })
            }
            other => other,
        })?;
        let k = k.min(state.len());
        Ok(Self { codec, metric: index.metric(), state, queries, k })
    }

    /// The best of all rows that a filter allows.
    fn all(&self, options: SearchOptions<'_>) -> Result<Hits> {
        let recall = options.mode.recall()?;
        let views = self.state.views(options.filter)?;
        let batches = self.state.batches();
        self.in_turns(&views, |queries, _| {
            self.codec.search(&views, &batches, queries, (self.k, recall))
        })
    }

    /// The best of each query's candidates.
    fn among<C: AsRef<[u64]>>(&self, candidates: &[C]) -> Result<Hits> {
        let (queries, found) = (self.queries.len(), candidates.len());
        if queries != found {
            return Err(Error::Index(IndexError::CandidatesLength { queries, found }));
        }
        let first_rows: Vec<u64> = self.state.with_first_rows().map(|(first, _)| first).collect();
        let row =
            |id: &u64| self.state.find(*id).map(|(part, row)| first_rows[part] + u64::from(row));
        let rows = |ids: &C| {
            let mut rows = ids.as_ref().iter().map(row).collect::<Result<Vec<u64>>>()?;
            rows.sort_unstable();
            rows.dedup();
            Ok(rows)
        };
        let rows = candidates.iter().map(rows).collect::<Result<Vec<_>>>()?;
        let views = self.state.views(None)?;
        self.in_turns(&views, |queries, range| {
            self.codec.rank(&views, queries, &rows[range], self.k)
        })
    }

    /// Answers as many queries at a time as suits the codec.
    fn in_turns(
        &self,
        views: &[View<'_>],
        answer: impl Fn(&ScaledQueries, Range<usize>) -> Result<Vec<Vec<Candidate>>>,
    ) -> Result<Hits> {
        let mut hits = Hits { k: self.k, ..Hits::default() };
        let count = self.queries.len();
        let at_once = self.codec.queries_at_once(self.metric, self.k)?;
        for first in (0..count).step_by(at_once) {
            let range = first..(first + at_once).min(count);
            let queries = ScaledQueries::new(self.metric, &self.queries, range.clone());
            for (query, found) in answer(&queries, range)?.into_iter().enumerate() {
                let squared_norm = queries.squared_norm(query);
                self.push(&mut hits, views, squared_norm, &found);
            }
        }
        Ok(hits)
    }

    /// Appends the hits of a query.
    fn push(&self, hits: &mut Hits, views: &[View<'_>], squared_norm: f64, found: &[Candidate]) {
        let end = hits.ids.len() + self.k;
        for candidate in found {
            let (number, row) = locate(views, candidate.row);
            hits.ids.push(self.state.parts[number].ids.of(row));
            hits.scores.push(self.metric.score(candidate.key, squared_norm));
        }
        hits.ids.resize(end, NO_ROW);
        hits.scores.resize(end, self.metric.worst_score());
    }
}

impl State {
    pub(super) fn batches(&self) -> Vec<&LoadedBatch> {
        self.parts.iter().map(|part| &*part.batch).collect()
    }

    /// The rows that may be found.
    pub(super) fn views<'a>(&'a self, filter: Option<Filter<'_>>) -> Result<Vec<View<'a>>> {
        let rows = self.row_count();
        let expected = rows.div_ceil(64) as usize;
        if let Some(Filter::Rows(words)) = filter
            && words.len() != expected
        {
            let found = words.len();
            return Err(Error::Index(IndexError::FilterLength { expected, found, rows }));
        }
        let view = |(first_row, part): (u64, &'a Part)| {
            let allowed = part.allowed(first_row, filter);
            let batch = &**part.batch;
            let is_few = |bitmap: &Bitmap| bitmap.count() * FEW_ROWS < part.row_count();
            let few = allowed.as_ref().filter(|bitmap| is_few(bitmap));
            let listing = few.map(|bitmap| batch.listing.some(|row| bitmap.contains(row)));
            View { batch, first_row, allowed, listing }
        };
        Ok(self.with_first_rows().map(view).collect())
    }
}

impl Part {
    /// The rows that a filter allows and that were not removed; none if these are all.
    fn allowed(&self, first_row: u64, filter: Option<Filter<'_>>) -> Option<Bitmap> {
        let rows = self.row_count();
        let mut allowed = match (filter, &self.removed) {
            (None, None) => return None,
            (None, Some(_)) => Bitmap::part(&vec![u64::MAX; rows.div_ceil(64)], 0, rows),
            (Some(Filter::Rows(words)), _) => Bitmap::part(words, first_row, rows),
            (Some(Filter::Ids(ids)), _) => {
                let mut allowed = Bitmap::empty(rows);
                let found = ids.iter().filter_map(|id| self.ids.find(*id, rows));
                found.for_each(|row| allowed.insert(row));
                allowed
            }
        };
        if let Some(removed) = &self.removed {
            allowed.remove_all(removed);
        }
        Some(allowed)
    }
}
