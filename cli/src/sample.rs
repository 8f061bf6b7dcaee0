//! Random samples of rows.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// The numbers of `count` of `rows` rows, drawn at random, in ascending order.
pub fn sample(rows: usize, count: usize, seed: u64) -> Vec<usize> {
    Random::new(seed).subset(rows, count)
}

/// Random numbers of a seed.
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `end`, which is at least 1.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.0.next_u64()) * end as u128) >> 64) as usize
    }

    /// `count` of the numbers below `end` in ascending order. All subsets are equally likely
    /// (Floyd's algorithm: time and memory follow `count`, not `end`).
    pub fn subset(&mut self, end: usize, count: usize) -> Vec<usize> {
        let mut chosen = BTreeSet::new();
        for last in end - count..end {
            let number = self.below(last + 1);
            if !chosen.insert(number) {
                chosen.insert(last);
            }
        }
        chosen.into_iter().collect()
    }
}
