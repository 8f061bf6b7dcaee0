//! Random samples.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// The numbers of at most `max_rows` of `rows` rows, drawn at random without replacement, in ascending
/// order. Samples of other sizes are drawn from other random numbers of the same seed.
///
/// This is selection sampling (Knuth, The Art of Computer Programming, 3.4.2, algorithm S). It takes
/// each row with the probability `missing / left`: the rows that the sample still needs over the rows that
/// are left. Even strides would lose whole classes of rows where classes take turns.
pub fn random_rows(rows: usize, max_rows: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(max_rows as u64);
    let mut missing = rows.min(max_rows);
    let takes = |row: &usize| {
        let left = rows - row;
        // A uniform integer below `left`. Its bias is below left / 2^64.
        let drawn = (u128::from(rng.next_u64()) * left as u128) >> 64;
        let takes = drawn < missing as u128;
        missing -= usize::from(takes);
        takes
    };
    (0..rows).filter(takes).collect()
}
