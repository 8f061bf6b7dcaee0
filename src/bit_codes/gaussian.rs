//! Tables that training begins with, for latents of a Gaussian distribution with variance 1.

use std::sync::OnceLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::rates::{MAX_WIDTH, Rate};
use super::tables::Window;

/// Values of a Gaussian distribution with variance 1, the same in every call (Box and Muller, 1958).
pub(super) fn values(count: usize) -> Vec<f32> {
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
pub(super) fn beginnings(window: Window, rate: Rate) -> Vec<Vec<f32>> {
    let bits = window.bits(rate);
    if !window.is_trellis(rate) {
        return vec![lloyd_max(bits), uniform(bits)];
    }
    // Levels in order suit many bits, and scattered levels few. Between them the training decides.
    match (rate.latents(), rate.bits()) {
        (2, _) => vec![pairs(bits)],
        (_, 1..=2) => vec![scattered(bits)],
        (_, own @ 3..=5) => vec![scattered(bits), ordered(bits, own)],
        (_, own) => vec![ordered(bits, own)],
    }
}

/// The quantiser of least error for `2^bits` levels (Max, 1960), by Lloyd's iteration over the density.
fn lloyd_max(bits: u32) -> Vec<f32> {
    static TABLES: [OnceLock<Vec<f32>>; MAX_WIDTH + 1] = [const { OnceLock::new() }; MAX_WIDTH + 1];
    TABLES[bits as usize].get_or_init(|| compute_lloyd_max(bits)).clone()
}

fn compute_lloyd_max(bits: u32) -> Vec<f32> {
    // The beginning is the better, the more levels there are.
    let iterations = 2000 >> bits;
    let levels = 1usize << bits;
    // The levels of many bits have the density of the Gaussian to the power 1/3 (Panter and Dite, 1951).
    let mut table: Vec<f64> = (0..levels).map(|k| level(k, levels, 3f64.sqrt())).collect();
    for _ in 0..iterations {
        let thresholds: Vec<f64> = table.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
        for (k, value) in table.iter_mut().enumerate() {
            let low = k.checked_sub(1).map_or(f64::NEG_INFINITY, |k| thresholds[k]);
            let high = thresholds.get(k).copied().unwrap_or(f64::INFINITY);
            *value = mean_between(low, high);
        }
    }
    table.into_iter().map(|v| v as f32).collect()
}

/// The mean of a Gaussian between two values: the integral of `x` times the density, over that of the
/// density.
fn mean_between(low: f64, high: f64) -> f64 {
    const POINTS: usize = 16;
    let (low, high) = (low.max(-9.0), high.min(9.0));
    let middle = 0.5 * (low + high);
    // The density relative to that of the middle, so that far values do not vanish.
    let density = |x: f64| (0.5 * (middle * middle - x * x)).exp();
    let point = |i: usize| low + (high - low) * (i as f64 + 0.5) / POINTS as f64;
    let (sum, weight) = (0..POINTS)
        .map(point)
        .fold((0.0, 0.0), |(sum, weight), x| (sum + x * density(x), weight + density(x)));
    sum / weight
}

/// Levels at equal distances over four standard deviations on either side.
fn uniform(bits: u32) -> Vec<f32> {
    let levels = 1usize << bits;
    (0..levels).map(|k| (8.0 * (k as f64 + 0.5) / levels as f64 - 4.0) as f32).collect()
}

/// Level `k` of `levels` equally probable ones of a Gaussian with this standard deviation.
fn level(k: usize, levels: usize, deviation: f64) -> f64 {
    deviation * inverse_normal((k as f64 + 0.5) / levels as f64)
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
    (0..entries).map(|t| level(number(t), entries, 1.0) as f32).collect()
}

/// Levels in ascending order of a window's own bits. The older bits move them by less than the distance
/// between two such levels: that is good for many bits.
fn ordered(bits: u32, own: u32) -> Vec<f32> {
    let entries = 1usize << bits;
    let older = bits - own;
    let number = |t: usize| (t >> older << older) | reversed(t & ((1 << older) - 1), older);
    (0..entries).map(|t| level(number(t), entries, 3f64.sqrt()) as f32).collect()
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

/// The inverse of the standard normal distribution function, by bisection of an approximation to
/// it (Abramowitz and Stegun 7.1.26, error below 1.5e-7: it only begins the training).
fn inverse_normal(p: f64) -> f64 {
    let upper_tail = |x: f64| {
        let t = 1.0 / (1.0 + 0.327_591_1 * x / std::f64::consts::SQRT_2);
        let series = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
        let polynomial = series.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
        0.5 * polynomial * (-x * x / 2.0).exp()
    };
    let tail = p.min(1.0 - p);
    let (mut low, mut high) = (0.0, 8.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if upper_tail(middle) > tail { low = middle } else { high = middle }
    }
    if p < 0.5 { -low } else { low }
}
