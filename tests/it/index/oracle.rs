//! Exact search in plain `f64`, from the formulas of `Metric`.

use vecodec::{Codes, Hits, Metric, Model, RowNorm};

use crate::format_oracle::{NaiveRow, naive_rows};
use crate::oracle;

/// What a search must agree with.
pub struct Truth {
    rows: Vec<NaiveRow>,
    /// Whether rows had norm 1 before they were encoded, up to `scale`.
    is_known: bool,
    metric: Metric,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The rows of 8-bit codes.
fn int8_rows(model: &Model, codes: &Codes) -> Vec<NaiveRow> {
    let dim = model.config().dim;
    let center = match &model.weights().unwrap().decoder_bias {
        Some(bias) => oracle::widened(bias),
        None => vec![0.0; dim],
    };
    let row = |decoded: &[f64]| {
        let rest = decoded.iter().zip(&center).map(|(x, c)| x - c).collect();
        NaiveRow { scale: 1.0, center: center.clone(), rest }
    };
    oracle::decode(model, codes).chunks(dim).map(row).collect()
}

impl Truth {
    pub fn new(model: &Model, codes: &Codes, metric: Metric) -> Self {
        let is_bits = model.config().bytes().is_some();
        let rows = if is_bits { naive_rows(model, codes) } else { int8_rows(model, codes) };
        let facts = model.fit_facts();
        let is_one = |norm: f64| (norm - 1.0).abs() <= 1e-3;
        let has_unit_norms = facts.is_some_and(|f| is_one(f.min_norm) && is_one(f.max_norm));
        let is_known = model.config().row_norm() == Some(RowNorm::Store) || has_unit_norms;
        Self { rows, is_known, metric }
    }

    /// The score of a row, and the magnitude that its rounding is measured by.
    pub fn score(&self, query: &[f32], row: usize) -> (f64, f64) {
        let query = oracle::widened(query);
        let NaiveRow { scale, center, rest } = &self.rows[row];
        let whole: Vec<f64> = center.iter().zip(rest).map(|(c, r)| scale * (c + r)).collect();
        let (q, x) = (oracle::norm(&query), oracle::norm(&whole));
        let parts = scale.abs() * (oracle::norm(center) + oracle::norm(rest));
        match self.metric {
            Metric::InnerProduct => (dot(&query, &whole), q * parts),
            Metric::L2 => {
                let between: f64 = query.iter().zip(&whole).map(|(q, x)| (q - x).powi(2)).sum();
                (between, (q + parts).powi(2))
            }
            Metric::Cosine if q == 0.0 || x == 0.0 => (0.0, 1.0),
            _ => {
                let (cc, cr, rr) = (dot(center, center), dot(center, rest), dot(rest, rest));
                let length = (-cr + (cr * cr + rr * (1.0 - cc)).sqrt()) / rr;
                let length = if self.is_known && length > 0.0 { length } else { 1.0 };
                let longer: Vec<f64> =
                    center.iter().zip(rest).map(|(c, r)| c + length * r).collect();
                let norm = if length == 1.0 { oracle::norm(&longer) } else { 1.0 };
                let parts = oracle::norm(center) + length * oracle::norm(rest);
                (dot(&query, &longer) / q / norm, parts / norm)
            }
        }
    }

    fn key(&self, score: f64) -> f64 {
        if self.metric == Metric::L2 { -score } else { score }
    }

    /// Fails unless the hits are the best of these rows, up to the rounding of `f32`. `id_of` gives the id of
    /// a row.
    pub fn check(
        &self,
        queries: &[Vec<f32>],
        rows: &[usize],
        id_of: impl Fn(usize) -> u64,
        hits: &Hits,
        label: &str,
    ) {
        for (number, query) in queries.iter().enumerate() {
            let scores: Vec<(f64, f64)> = rows.iter().map(|row| self.score(query, *row)).collect();
            let error = |at: usize| 4e-6 * scores[at].1 + 1e-30;
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by(|a, b| self.key(scores[*b].0).total_cmp(&self.key(scores[*a].0)));
            let (ids, found) = hits.query(number);
            let count = rows.len().min(hits.k());
            let mut seen = Vec::new();
            for (rank, (id, score)) in ids.iter().zip(found).enumerate() {
                let label = format!("{label}, query {number}, rank {rank}, id {id}, score {score}");
                if rank >= count {
                    assert!(*id == u64::MAX && score.is_infinite(), "{label}");
                    assert_eq!(*score > 0.0, self.metric == Metric::L2, "{label}");
                    continue;
                }
                let at = rows.iter().position(|row| id_of(*row) == *id);
                let at = at.unwrap_or_else(|| panic!("{label}: no such row is allowed"));
                assert!(!seen.contains(&at), "{label}: found twice");
                seen.push(at);
                let expected = scores[at].0;
                assert!((f64::from(*score) - expected).abs() <= error(at), "{label}: {expected}");
                // The row of this rank is the one that is expected, or as good.
                let best = order[rank];
                let gap = (self.key(scores[best].0) - self.key(expected)).abs();
                assert!(gap <= error(at) + error(best), "{label}: {:?} is better", scores[best]);
            }
            assert!(found.windows(2).all(|pair| match self.metric {
                Metric::L2 => pair[0] <= pair[1],
                _ => pair[0] >= pair[1],
            }));
        }
    }
}
