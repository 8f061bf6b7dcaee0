//! Random samples.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// The numbers of at most `max_rows` of `rows` rows, drawn at random, in ascending order.
pub fn random_rows(rows: usize, max_rows: usize, seed: u64) -> Vec<usize> {
    let mut selection = Selection::new(rows, max_rows, seed);
    (0..rows).filter(|_| selection.takes_next()).collect()
}

/// A random sample of numbered things, decided one by one.
///
/// This is selection sampling (Knuth, The Art of Computer Programming, 3.4.2, algorithm S). It takes
/// each thing with the probability `missing / left`: the things that the sample still needs over the
/// things that are left. Even strides would lose whole classes of rows where classes take turns.
pub(crate) struct Selection {
    rng: ChaCha8Rng,
    missing: usize,
    left: usize,
}

impl Selection {
    pub(crate) fn new(count: usize, wanted: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(wanted as u64);
        Self { rng, missing: count.min(wanted), left: count }
    }

    /// Whether the sample takes the next thing.
    pub(crate) fn takes_next(&mut self) -> bool {
        // A uniform integer below `left`. Its bias is below left / 2^64.
        let drawn = (u128::from(self.rng.next_u64()) * self.left as u128) >> 64;
        let takes = drawn < self.missing as u128;
        self.missing -= usize::from(takes);
        self.left -= 1;
        takes
    }
}
