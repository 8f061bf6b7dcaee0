//! Training of the tables that are part of the library.

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rayon::prelude::*;

use super::super::train::train_table;
use super::super::{Rate, Window, gaussian};

/// Values that tables are trained on.
const VALUES: usize = 1 << 16;

/// Values of a Gaussian distribution with variance 1, the same in every call (Box and Muller, 1958).
fn values(count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        values.extend([(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]);
    }
    values.truncate(count);
    values
}

/// The tables from which training begins. The best result is taken.
fn beginnings(window: Window, rate: Rate) -> Vec<Vec<f32>> {
    let bits = window.bits(rate);
    // Levels in order suit many bits, and scattered levels few. Between them the training decides.
    match (rate.latents(), rate.bits()) {
        (2, _) => vec![pairs(bits)],
        (_, 1..=2) => vec![scattered(bits)],
        (_, own @ 3..=5) => vec![scattered(bits), ordered(bits, own)],
        (_, own) => vec![ordered(bits, own)],
    }
}

/// A number of so many bits, its bits in the other order.
fn reversed(number: usize, bits: u32) -> usize {
    (number as u64).reverse_bits().checked_shr(64 - bits).unwrap_or(0) as usize
}

/// Levels in an order that spreads the values that are reachable from any state: entry `t` is quantile
/// number `t * odd` modulo their number, the odd number nearest to the golden section of it, of `t`
/// read from its oldest bit down.
fn scattered(bits: u32) -> Vec<f32> {
    let entries = 1usize << bits;
    let golden = (entries as f64 * 0.618_033_988_75) as usize | 1;
    let number = |t: usize| reversed(t, bits).wrapping_mul(golden) % entries;
    (0..entries).map(|t| gaussian::level(number(t), entries, 1.0) as f32).collect()
}

/// Levels in ascending order of a window's own bits. The older bits move them by less than the distance
/// between two such levels: that is good for many bits.
fn ordered(bits: u32, own: u32) -> Vec<f32> {
    let entries = 1usize << bits;
    let older = bits - own;
    let number = |t: usize| (t >> older << older) | reversed(t & ((1 << older) - 1), older);
    (0..entries).map(|t| gaussian::level(number(t), entries, 3f64.sqrt()) as f32).collect()
}

/// Points of two latents: the first latent's entries, then the second's. The two are scattered
/// differently, so that their pairs fill the plane.
fn pairs(bits: u32) -> Vec<f32> {
    let entries = 1usize << bits;
    let first = scattered(bits);
    let odd = (entries as f64 * 0.236_067_977_5) as usize | 1;
    let second = (0..entries).map(|t| first[t.wrapping_mul(odd) % entries]);
    first.iter().copied().chain(second).collect()
}

/// The table of a rate of a trellis: the best of several beginnings.
fn trained(window: Window, rate: Rate, values: &[f32]) -> Vec<f32> {
    let results = beginnings(window, rate).into_iter().map(|table| {
        let (table, error) = train_table(window, rate, table, values).unwrap();
        (error, table)
    });
    results.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
}

/// The tables of up to 64 states are trained again. With `VECODEC_UPDATE_TABLES=1` all of them are, and
/// written, which takes some minutes.
#[test]
fn tables_of_trellises_are_what_training_gives() {
    let values = values(VALUES);
    let update = std::env::var_os("VECODEC_UPDATE_TABLES").is_some();
    let all: Vec<((Window, Rate), usize)> = gaussian::trellis_tables().collect();
    if update {
        let train = |((window, rate), _): &((Window, Rate), usize)| {
            let table = trained(*window, *rate, &values);
            table.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect::<Vec<u8>>()
        };
        let tables: Vec<Vec<u8>> = all.par_iter().map(train).collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bit_codes/gaussian_tables.f16");
        return fs::write(path, tables.concat()).unwrap();
    }
    for ((window, rate), entries) in all {
        let found = gaussian::trellis_table(window, rate);
        assert_eq!(found.len(), entries, "{window:?} {rate:?}");
        if window.state_bits() > 6 {
            continue;
        }
        let expected = trained(window, rate, &values);
        for (found, expected) in found.iter().zip(expected) {
            let near = (found - expected).abs() <= 1e-3 * (1.0 + expected.abs());
            assert!(near, "{window:?} {rate:?}: {found} for {expected}");
        }
    }
}
