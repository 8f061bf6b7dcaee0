//! What a search finds.

/// The best rows of each query, best first.
///
/// | metric | score | best |
/// |---|---|---|
/// | inner product, cosine | the score | the largest |
/// | L2 | the squared distance | the smallest |
///
/// Of rows with equal scores, the one that was added first is the better. Where a filter or a list of
/// candidates leaves fewer rows than [`k`](Self::k), the last ids of a query are `u64::MAX`, and their
/// scores are minus infinity, or infinity for L2.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Hits {
    /// `[queries, k]`: the ids of the rows.
    pub ids: Vec<u64>,
    /// `[queries, k]`: the scores of the rows.
    pub scores: Vec<f32>,
    pub(super) k: usize,
}

impl Hits {
    /// Hits of a query: as many as were asked for, or as many as the index has rows if these are fewer.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// Number of queries.
    #[must_use]
    pub fn query_count(&self) -> usize {
        self.ids.len().checked_div(self.k).unwrap_or(0)
    }

    /// Appends the hits of other queries.
    ///
    /// # Panics
    /// The others have another number of hits per query, and neither is empty.
    pub fn append(&mut self, other: Self) {
        let Self { ids, scores, k } = other;
        assert!(
            self.ids.is_empty() || ids.is_empty() || self.k == k,
            "{k} hits per query for {}",
            self.k
        );
        self.k = self.k.max(k);
        self.ids.extend(ids);
        self.scores.extend(scores);
    }

    /// The ids and scores of a query, best first.
    ///
    /// # Panics
    /// There are fewer queries.
    #[must_use]
    pub fn query(&self, number: usize) -> (&[u64], &[f32]) {
        let range = number * self.k..(number + 1) * self.k;
        (&self.ids[range.clone()], &self.scores[range])
    }
}
