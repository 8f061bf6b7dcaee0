//! Tables that training begins with, for latents of a Gaussian distribution with variance 1.
//!
//! Tables of scalar quantisers are computed. Tables of trellises were trained once, for every number of
//! states and every rate, which takes minutes, and are part of the library: `gaussian_tables.f16`.
//! `tests/training.rs` trains them.

use std::sync::OnceLock;

use super::rates::{MAX_WIDTH, Rate};
use super::tables::{MAX_STATE_BITS, Window};

/// Tables in f16, little-endian: of one state bit, of two and so on, each from the largest rate down.
static TRAINED: &[u8] = include_bytes!("gaussian_tables.f16");

/// The table of a rate of a trellis.
pub(super) fn trellis_table(window: Window, rate: Rate) -> Vec<f32> {
    let before = trellis_tables().take_while(|(found, _)| *found != (window, rate));
    let start: usize = before.map(|(_, entries)| entries).sum();
    let len = entries(window, rate);
    let (values, _) = TRAINED[2 * start..2 * (start + len)].as_chunks();
    values.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f32()).collect()
}

/// The tables of all trellises in the order of the file, and how many entries each has.
pub(super) fn trellis_tables() -> impl Iterator<Item = ((Window, Rate), usize)> {
    let windows = (1..=MAX_STATE_BITS).map(Window::Last);
    windows.flat_map(|window| {
        let steps = move |rate: &Rate| window.allows(*rate) && window.is_trellis(*rate);
        Rate::all().filter(steps).map(move |rate| ((window, rate), entries(window, rate)))
    })
}

/// Entries of the table of a rate.
fn entries(window: Window, rate: Rate) -> usize {
    rate.latents() << window.bits(rate)
}

/// The tables of a scalar quantiser from which training begins. The best result is taken.
pub(super) fn scalar_tables(bits: u32) -> [Vec<f32>; 2] {
    [lloyd_max(bits), uniform(bits)]
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
pub(super) fn level(k: usize, levels: usize, deviation: f64) -> f64 {
    deviation * inverse_normal((k as f64 + 0.5) / levels as f64)
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
