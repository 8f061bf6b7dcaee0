//! The best rows so far.

use std::cmp::Ordering;
use std::sync::atomic::{self, AtomicU32};

/// A row and its key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) key: f32,
    /// The number of the row among the rows of all batches.
    pub(crate) row: u64,
}

impl Candidate {
    /// Best first: the larger key, and of equal keys the row that was added first.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        other.key.total_cmp(&self.key).then(self.row.cmp(&other.row))
    }
}

/// Rows that one of `k` hits may be among. Keys are off by at most half of `slack`.
///
/// ```text
/// offer(key, row):
///     drop the row if key < threshold; else append it                        (1)
///     if the list is full:
///         threshold = the k-th largest key - slack                           (2)
///         drop all rows whose key < threshold
///         if the list is still more than half full:                          (3)
///             replace all keys by exact ones, and drop all but the k best
/// ```
///
/// 1. The test is one comparison. Few rows pass it once the list has been full.
/// 2. The true key of the k-th best row is at least the k-th largest key minus half of `slack`, and that of
///    a row below the threshold is less.
/// 3. This happens if many rows have nearly the same key, copies of one row say. A list that was full has
///    room for at least as many rows as it had, so each row costs a constant number of exact keys.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    k: usize,
    slack: f32,
    threshold: f32,
    candidates: Vec<Candidate>,
}

/// Rows that a list holds beyond twice its hits.
const SPARE: usize = 128;

impl Best {
    pub(crate) fn new(k: usize, slack: f32) -> Self {
        Self { k, slack, threshold: f32::NEG_INFINITY, candidates: Vec::new() }
    }

    /// Rows that a list of `k` hits holds at a time.
    pub(crate) fn capacity(k: usize) -> usize {
        k.saturating_mul(2).saturating_add(SPARE)
    }

    /// Rows of smaller keys need not be offered.
    pub(crate) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Adds a row whose key is not below the threshold. `exact` gives the exact key of a row.
    pub(crate) fn offer(&mut self, key: f32, row: u64, exact: impl Fn(u64) -> f32) {
        self.candidates.push(Candidate { key, row });
        if self.candidates.len() >= Self::capacity(self.k) {
            self.shrink(exact);
        }
    }

    /// Takes the rows of another list.
    pub(crate) fn extend(&mut self, other: Self) {
        self.candidates.extend(other.candidates);
    }

    fn shrink(&mut self, exact: impl Fn(u64) -> f32) {
        self.drop_far();
        if self.candidates.len() > Self::capacity(self.k) / 2 {
            self.candidates = ranked(std::mem::take(&mut self.candidates), self.k, exact);
        }
    }

    /// Drops rows that cannot be among the hits.
    fn drop_far(&mut self) {
        if self.candidates.len() > self.k {
            let (_, kth, _) = self.candidates.select_nth_unstable_by(self.k - 1, Candidate::order);
            self.threshold = self.threshold.max(kth.key - self.slack);
            self.candidates.retain(|candidate| candidate.key >= self.threshold);
        }
    }

    /// The hits with their exact keys, best first.
    pub(crate) fn finish(mut self, exact: impl Fn(u64) -> f32) -> Vec<Candidate> {
        self.drop_far();
        ranked(self.candidates, self.k, exact)
    }
}

/// The `k` best rows by their exact keys, best first.
pub(crate) fn ranked(
    mut candidates: Vec<Candidate>,
    k: usize,
    exact: impl Fn(u64) -> f32,
) -> Vec<Candidate> {
    candidates.iter_mut().for_each(|candidate| candidate.key = exact(candidate.row));
    candidates.sort_unstable_by(Candidate::order);
    candidates.truncate(k);
    candidates
}

/// The largest threshold of a query that any thread has found so far.
#[derive(Debug)]
pub(crate) struct Threshold(AtomicU32);

impl Threshold {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(ordered(f32::NEG_INFINITY)))
    }

    /// The largest threshold so far, this one included.
    pub(crate) fn raise(&self, threshold: f32) -> f32 {
        let bits = ordered(threshold);
        // It only saves work, so it needs no order with other memory.
        let before = self.0.load(atomic::Ordering::Relaxed);
        if before >= bits {
            return unordered(before);
        }
        unordered(self.0.fetch_max(bits, atomic::Ordering::Relaxed).max(bits))
    }
}

/// Bits that order as numbers do.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_sign_negative() { !bits } else { bits | 1 << 31 }
}

fn unordered(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that are off by up to `error`, and the hits that `Best` finds with them.
    fn hits(exact: &[f32], error: f32, k: usize) -> Vec<Candidate> {
        let key = |row: u64| exact[row as usize];
        let mut best = Best::new(k, 2.0 * error);
        for row in 0..exact.len() as u64 {
            let off = error * (row as f32 * 0.7).sin();
            if key(row) + off >= best.threshold() {
                best.offer(key(row) + off, row, key);
            }
            assert!(best.candidates.len() < Best::capacity(k));
        }
        best.finish(key)
    }

    #[test]
    fn hits_are_those_of_exact_keys() {
        for (rows, levels) in [(10_000, 1 << 20), (10_000, 50), (10_000, 1), (200, 7), (3, 9)] {
            let exact: Vec<f32> = (0..rows)
                .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 8) % levels)
                .map(|v| v as f32)
                .collect();
            for (error, k) in [(0.0, 1), (0.3, 10), (3.0, 10), (1.0, 100), (0.5, 20_000)] {
                let mut expected: Vec<Candidate> =
                    (0..).zip(&exact).map(|(row, key)| Candidate { key: *key, row }).collect();
                expected.sort_by(Candidate::order);
                expected.truncate(k);
                assert_eq!(hits(&exact, error, k), expected, "{rows} {levels} {error} {k}");
            }
        }
    }

    #[test]
    fn thresholds_only_rise() {
        let threshold = Threshold::new();
        assert_eq!(threshold.raise(f32::NEG_INFINITY), f32::NEG_INFINITY);
        for (value, expected) in
            [(-3.0, -3.0), (-5.0, -3.0), (-0.5, -0.5), (0.0, 0.0), (2.0, 2.0), (1.0, 2.0)]
        {
            assert_eq!(threshold.raise(value), expected);
        }
    }
}
