//! The scores of rows, by their codes.

use vecodec::{Codec, Codes, Index, Metric, Result};

/// The score of each row for one query, as [`Index`] scores it.
pub(crate) fn of_rows(
    codec: &Codec,
    codes: Codes,
    metric: Metric,
    query: &[f32],
) -> Result<Vec<f32>> {
    let rows = codes.row_count();
    let hits = Index::new(codec, codes, metric)?.search(query, rows)?;
    let mut scores = vec![0.0; rows];
    for (id, score) in hits.ids.iter().zip(hits.scores) {
        scores[*id as usize] = score;
    }
    Ok(scores)
}

/// The score of each row for a query of its own: `queries` are `[rows, dim]`.
pub(crate) fn of_pairs(
    codec: &Codec,
    codes: Codes,
    metric: Metric,
    queries: &[f32],
) -> Result<Vec<f32>> {
    let candidates: Vec<[u64; 1]> = (0..codes.row_count() as u64).map(|row| [row]).collect();
    let hits = Index::new(codec, codes, metric)?.search_among(queries, &candidates, 1)?;
    Ok(hits.scores)
}

/// The numbers of the `k` best rows for a query.
pub(crate) fn best(
    codec: &Codec,
    codes: Codes,
    metric: Metric,
    query: &[f32],
    k: usize,
) -> Result<Vec<usize>> {
    let hits = Index::new(codec, codes, metric)?.search(query, k)?;
    Ok(hits.ids.iter().map(|id| *id as usize).collect())
}
