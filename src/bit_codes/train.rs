//! Tables from data: Lloyd's iteration, over thresholds or over paths, and who gets which bits.

use rayon::prelude::*;

use super::plan::{BitPlan, Window};
use crate::error::Result;

/// Latents and rows that the tables of each width are first trained on.
const FIRST_LATENTS: usize = 128;
const FIRST_ROWS: usize = 2048;
const ITERATIONS: usize = 12;
/// Training stops when an iteration gains less than this share of the error.
const LEAST_GAIN: f64 = 1e-3;

/// Called between blocks of rows. Its error ends the training.
pub(crate) type Check<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// Trains plans on rows of latents.
pub(crate) struct Trainer<'a> {
    check: Check<'a>,
    window: Window,
    /// By width.
    tables: Vec<Vec<f32>>,
    /// The share of a latent's variance that remains after coding it with a number of bits.
    distortions: Vec<f64>,
}

impl<'a> Trainer<'a> {
    /// Trains a table for each width on latents `[rows, count]`, and measures the error that each
    /// width leaves. Each latent is divided by its standard deviation, which `steps` holds.
    pub(crate) fn new(
        window: Window,
        latents: &[f32],
        count: usize,
        steps: &[f32],
        check: Check<'a>,
    ) -> Result<Self> {
        let max_latents = count.min(FIRST_LATENTS);
        let standardized: Vec<f32> = latents
            .chunks_exact(count)
            .take(FIRST_ROWS)
            .flat_map(|row| row.iter().zip(steps).take(max_latents))
            .map(|(z, step)| if *step > 0.0 { z / step } else { 0.0 })
            .collect();
        let energy: f64 = standardized.iter().map(|z| f64::from(z * z)).sum();
        let mut trainer = Self { check, window, tables: vec![Vec::new()], distortions: vec![1.0] };
        for width in 1..=window.widest() as u8 {
            let mut tables = vec![Vec::new(); usize::from(width)];
            tables.push(gaussian_table(window, width));
            let plan =
                BitPlan::new(window, vec![width; max_latents], vec![1.0; max_latents], tables)?;
            let (plan, error) = refine(plan, &standardized, false, check)?;
            trainer.tables.push(plan.table(width).to_vec());
            // Another bit never hurts, whatever a small sample says.
            let last = trainer.distortions[usize::from(width) - 1];
            let distortion = if energy > 0.0 { error / energy } else { 0.0 };
            trainer.distortions.push(distortion.min(last));
        }
        Ok(trainer)
    }

    pub(crate) fn distortions(&self) -> &[f64] {
        &self.distortions
    }

    /// A plan with these bits_per_latent, its tables and steps trained on the latents it will code:
    /// `[rows, bits_per_latent.len()]`.
    pub(crate) fn plan(
        &self,
        bits_per_latent: Vec<u8>,
        steps: Vec<f32>,
        latents: &[f32],
    ) -> Result<BitPlan> {
        Ok(refine(self.untrained(bits_per_latent, steps)?, latents, true, self.check)?.0)
    }

    /// The same with the tables as they were trained for each width alone.
    pub(crate) fn untrained(&self, bits_per_latent: Vec<u8>, steps: Vec<f32>) -> Result<BitPlan> {
        let mut tables = self.tables.clone();
        for (width, table) in tables.iter_mut().enumerate() {
            if !bits_per_latent.iter().any(|w| usize::from(*w) == width) {
                table.clear();
            }
        }
        BitPlan::new(self.window, bits_per_latent, steps, tables)
    }
}

/// Gives `bits` bits one by one to the latent whose error shrinks the most. Latents that get none
/// are left out; variances must descend.
pub(crate) fn allocate(variances: &[f64], distortions: &[f64], bits: usize) -> Vec<u8> {
    let mut bits_per_latent = vec![0u8; variances.len()];
    let gain = |i: usize, width: u8| {
        let left = distortions.get(usize::from(width) + 1)?;
        Some(variances[i] * (distortions[usize::from(width)] - left))
    };
    for _ in 0..bits {
        let gains = bits_per_latent.iter().enumerate().filter_map(|(i, w)| Some((i, gain(i, *w)?)));
        // The first of equals.
        let best = gains.reduce(|a, b| if b.1 > a.1 { b } else { a });
        match best {
            Some((i, gain)) if gain > 0.0 => bits_per_latent[i] += 1,
            _ => break,
        }
    }
    let used = bits_per_latent.iter().position(|w| *w == 0).unwrap_or(bits_per_latent.len());
    // A constant latent still needs a code where it is the only one.
    if used == 0 {
        bits_per_latent[0] = 1;
    }
    bits_per_latent.truncate(used.max(1));
    bits_per_latent
}

/// Lloyd's iteration: quantise, then move every table entry (and step) to where the error of what
/// went to it is least. Never ends with a larger error than it began with.
fn refine(
    mut plan: BitPlan,
    latents: &[f32],
    steps: bool,
    check: Check<'_>,
) -> Result<(BitPlan, f64)> {
    let mut sums = Sums::of(&plan, latents, check)?;
    for _ in 0..ITERATIONS {
        let better = sums.moved(&plan, steps)?;
        let found = Sums::of(&better, latents, check)?;
        if found.error > sums.error {
            break;
        }
        let gained = sums.error - found.error;
        let enough = gained > LEAST_GAIN * sums.error;
        (plan, sums) = (better, found);
        if !enough {
            break;
        }
    }
    Ok((plan, sums.error))
}

/// What least squares need, over all latents: per table entry, and per latent.
#[derive(Clone)]
struct Sums {
    error: f64,
    /// By width and entry: sum of `step * z`, and of `step^2`.
    entries: Vec<Vec<(f64, f64)>>,
    /// By latent: sum of `value * z`, and of `value^2`, values being table entries.
    latents: Vec<(f64, f64)>,
}

impl Sums {
    fn empty(plan: &BitPlan) -> Self {
        let entries = plan.tables.iter().map(|table| vec![(0.0, 0.0); table.len()]).collect();
        Self { error: 0.0, entries, latents: vec![(0.0, 0.0); plan.latents()] }
    }

    fn of(plan: &BitPlan, latents: &[f32], check: Check<'_>) -> Result<Self> {
        /// A fixed number of rows per block, so that the sums do not depend on the threads.
        const PART_ROWS: usize = 512;
        let blocks: Vec<Self> = latents
            .par_chunks(PART_ROWS * plan.latents())
            .map(|block| {
                check()?;
                let mut sums = Self::empty(plan);
                sums.add(plan, block);
                Ok(sums)
            })
            .collect::<Result<_>>()?;
        Ok(blocks.into_iter().fold(Self::empty(plan), Self::merged))
    }

    fn add(&mut self, plan: &BitPlan, latents: &[f32]) {
        let count = plan.latents();
        let bytes = plan.code_bytes();
        let mut packed_rows = vec![0; latents.len() / count * bytes];
        plan.encode(latents, &mut packed_rows);
        for (row, packed) in latents.chunks_exact(count).zip(packed_rows.chunks_exact(bytes)) {
            for (i, z) in row.iter().enumerate() {
                let (width, step) = (plan.bits_per_latent[i], f64::from(plan.steps[i]));
                let window = plan.readers[i].window(packed);
                let value = f64::from(plan.table(width)[window]);
                let z = f64::from(*z);
                self.error += (z - step * value).powi(2);
                let entry = &mut self.entries[usize::from(width)][window];
                *entry = (entry.0 + step * z, entry.1 + step * step);
                let latent = &mut self.latents[i];
                *latent = (latent.0 + value * z, latent.1 + value * value);
            }
        }
    }

    fn merged(mut self, other: Self) -> Self {
        let add = |a: &mut (f64, f64), b: &(f64, f64)| *a = (a.0 + b.0, a.1 + b.1);
        self.error += other.error;
        let entries = self.entries.iter_mut().flatten().zip(other.entries.iter().flatten());
        entries.for_each(|(a, b)| add(a, b));
        self.latents.iter_mut().zip(&other.latents).for_each(|(a, b)| add(a, b));
        self
    }

    /// The plan with its entries moved, and its steps if they are trained too. Each move alone
    /// shrinks the error; `refine` takes the two together back where they do not.
    fn moved(&self, plan: &BitPlan, steps: bool) -> Result<BitPlan> {
        let ratio = |old: f32, (above, below): (f64, f64)| match above / below {
            ratio if below > 0.0 && ratio.is_finite() => ratio as f32,
            _ => old,
        };
        let mut tables = plan.tables.clone();
        for (table, sums) in tables.iter_mut().zip(&self.entries) {
            table.iter_mut().zip(sums).for_each(|(value, sums)| *value = ratio(*value, *sums));
            if plan.window == Window::Own {
                table.sort_by(f32::total_cmp);
            }
        }
        let mut moved_steps = plan.steps.clone();
        if steps {
            let sums = moved_steps.iter_mut().zip(&self.latents);
            sums.for_each(|(step, sums)| *step = ratio(*step, *sums));
        }
        BitPlan::new(plan.window, plan.bits_per_latent.clone(), moved_steps, tables)
    }
}

/// Where training begins: levels of a Gaussian, each as probable as the others. In a trellis they
/// are spread so that the values reachable from any state are far apart: entry `t` is quantile
/// number `t * odd` modulo their number, the odd one nearest to the golden section of it, of `t`
/// read from its oldest bit down.
fn gaussian_table(window: Window, width: u8) -> Vec<f32> {
    let bits = window.bits(width);
    let entries = 1usize << bits;
    let level = |k: usize| inverse_normal((k as f64 + 0.5) / entries as f64) as f32;
    match window {
        Window::Own => (0..entries).map(level).collect(),
        Window::Last(_) => {
            let golden = (entries as f64 * 0.618_033_988_75) as usize | 1;
            let reversed = |t: usize| (t as u32).reverse_bits() as usize >> (32 - bits);
            (0..entries).map(|t| level(reversed(t).wrapping_mul(golden) % entries)).collect()
        }
    }
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
