//! Tables from data: Lloyd's iteration, over thresholds or over paths.

use std::sync::Arc;

use rayon::prelude::*;

use super::allocate::Distortions;
use super::encode::BitPlan;
use super::gaussian;
use super::plan::Layout;
use super::rates::{RATE_COUNT, Rate};
use super::tables::{Tables, Window};
use crate::error::Result;

/// Latents that the error of each rate is measured on.
const FIRST_LATENTS: usize = 128;
/// Values that errors are measured on, times the states, at least, and at most.
const MEASURED_TIMES_STATES: usize = 1 << 22;
const LEAST_MEASURED: usize = 1 << 13;
const MOST_MEASURED: usize = 1 << 16;
const ITERATIONS: usize = 12;
/// The largest entry of a table. Latents beyond have larger steps.
const LARGEST_ENTRY: f32 = 32768.0;
/// Training stops when an iteration gains less than this share of the error.
const LEAST_GAIN: f64 = 1e-3;

/// Called between blocks of rows. Its error ends the training.
pub(crate) type Check<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// Tables that were trained for each rate alone, and what they leave of a latent's variance.
pub(crate) struct Trainer<'a> {
    check: Check<'a>,
    window: Window,
    tables: [Vec<f32>; RATE_COUNT],
    distortions: Distortions,
}

impl<'a> Trainer<'a> {
    /// Takes a table for each rate up to `max_rate`, and measures the error that each rate leaves of
    /// latents `[rows, count]` of variance 1.
    pub(crate) fn new(
        window: Window,
        max_rate: Rate,
        standardized: &[f32],
        count: usize,
        check: Check<'a>,
    ) -> Result<Self> {
        // Symbols of two latents need two.
        let latents = count.min(FIRST_LATENTS).next_multiple_of(2);
        let rows: Vec<f32> = standardized
            .chunks_exact(count)
            .take(
                (MEASURED_TIMES_STATES >> window.state_bits()).clamp(LEAST_MEASURED, MOST_MEASURED)
                    / latents,
            )
            .flat_map(|row| row.iter().cycle().take(latents))
            .copied()
            .collect();
        let energy: f64 = rows.iter().map(|z| f64::from(*z).powi(2)).sum();
        let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
        let mut distortions = [f64::INFINITY; RATE_COUNT];
        let mut last = 1.0;
        let wanted = |rate: &Rate| window.allows(*rate) && *rate <= max_rate;
        let mut ascending: Vec<Rate> = Rate::all().filter(wanted).collect();
        ascending.reverse();
        for rate in ascending {
            let (table, error) = best_table(window, rate, &rows, latents, check)?;
            // More bits never hurt, whatever a small sample says.
            last = if energy > 0.0 { (error / energy).min(last) } else { 0.0 };
            distortions[rate.number()] = last;
            tables[rate.number()] = table;
        }
        Ok(Self { check, window, tables, distortions })
    }

    /// The same with the tables of a model, for the rates that it has. Both have the same window.
    ///
    /// Training may have given a factor of all values of a table to the steps of its latents. New steps
    /// are standard deviations, so that the table gets the scale that it began with.
    pub(crate) fn starting_from(mut self, tables: &Tables) -> Self {
        let size = |table: &[f32]| table.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        for (own, table) in self.tables.iter_mut().zip(tables.to_vecs()) {
            let scale = (size(own) / size(&table)) as f32;
            if !own.is_empty() && scale.is_finite() {
                *own = table.iter().map(|v| v * scale).collect();
            }
        }
        self
    }

    pub(crate) fn distortions(&self) -> &Distortions {
        &self.distortions
    }

    /// The tables as they were trained for each rate alone.
    pub(crate) fn tables(&self) -> Result<Arc<Tables>> {
        Tables::new(self.window, &self.tables).map(Arc::new)
    }

    /// Trains the tables and steps of plans on the latents that each will code. The plans share their
    /// tables. Entries end as values of f16, and rates that no plan has end without a table.
    pub(crate) fn trained(&self, plans: Vec<BitPlan>, latents: &[&[f32]]) -> Result<Vec<BitPlan>> {
        let (plans, _) = refine(plans, latents, true, self.check)?;
        let used = |rate: Rate| plans.iter().any(|p| p.symbols().iter().any(|s| s.rate == rate));
        let mut tables = plans[0].tables().to_vecs();
        let mut scales = [1.0; RATE_COUNT];
        for ((rate, table), scale) in Rate::all().zip(&mut tables).zip(&mut scales) {
            if !used(rate) {
                table.clear();
            }
            // Few rows may lie far from the others. A power of two rounds nothing.
            let largest = table.iter().fold(LARGEST_ENTRY, |max, v| max.max(v.abs()));
            *scale = (largest / LARGEST_ENTRY).log2().ceil().exp2();
            table.iter_mut().for_each(|v| *v = half::f16::from_f32(*v / *scale).to_f32());
        }
        let scaled = |(step, rate): (&f32, Rate)| step * scales[rate.number()];
        with_tables(&plans, &tables, |_, plan| {
            plan.steps().iter().zip(plan.latent_rates()).map(scaled).collect()
        })
    }
}

/// The table of a rate with the least error of these rows, and this error. The tables have been trained
/// for Gaussian latents; the rows only choose.
fn best_table(
    window: Window,
    rate: Rate,
    rows: &[f32],
    latents: usize,
    check: Check<'_>,
) -> Result<(Vec<f32>, f64)> {
    let mut best: Option<(Vec<f32>, f64)> = None;
    let tables = match window.is_trellis(rate) {
        true => vec![gaussian::trellis_table(window, rate)],
        false => gaussian::scalar_tables(rate.bits()).to_vec(),
    };
    for table in tables {
        let plan = plan_of_one(window, rate, table.clone(), latents)?;
        let error = Sums::of(&[plan], &[rows], check)?.error;
        if best.as_ref().is_none_or(|(_, least)| error < *least) {
            best = Some((table, error));
        }
    }
    Ok(best.expect("there is at least one table"))
}

/// A plan of latents of one rate.
fn plan_of_one(window: Window, rate: Rate, table: Vec<f32>, latents: usize) -> Result<BitPlan> {
    let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
    tables[rate.number()] = table;
    let tables = Arc::new(Tables::new(window, &tables)?);
    let rates = vec![rate; latents / rate.latents()];
    BitPlan::new(tables, Layout::Packed, &rates, vec![1.0; latents], 0, None)
}

/// Trains the table of a rate for these values, and gives its error.
#[cfg(test)]
pub(super) fn train_table(
    window: Window,
    rate: Rate,
    table: Vec<f32>,
    values: &[f32],
) -> Result<(Vec<f32>, f64)> {
    let plan = plan_of_one(window, rate, table, FIRST_LATENTS)?;
    let (plans, error) = refine(vec![plan], &[values], false, &|| Ok(()))?;
    Ok((plans[0].tables().table(rate).to_vec(), error))
}

/// Lloyd's iteration: quantise, then move every table entry (and step) to where the error of what
/// went to it is least. Never ends with a larger error than it began with.
fn refine(
    mut plans: Vec<BitPlan>,
    latents: &[&[f32]],
    steps: bool,
    check: Check<'_>,
) -> Result<(Vec<BitPlan>, f64)> {
    let mut sums = Sums::of(&plans, latents, check)?;
    for _ in 0..ITERATIONS {
        let better = sums.moved(&plans, steps)?;
        let found = Sums::of(&better, latents, check)?;
        if found.error > sums.error {
            break;
        }
        let gained = sums.error - found.error;
        let enough = gained > LEAST_GAIN * sums.error;
        (plans, sums) = (better, found);
        if !enough {
            break;
        }
    }
    Ok((plans, sums.error))
}

/// The plans with other tables, and with steps that are made from the number of a plan and the plan.
fn with_tables(
    plans: &[BitPlan],
    tables: &[Vec<f32>; RATE_COUNT],
    steps: impl Fn(usize, &BitPlan) -> Vec<f32>,
) -> Result<Vec<BitPlan>> {
    let tables = Arc::new(Tables::new(plans[0].window(), tables)?);
    let plan =
        |(number, plan): (usize, &BitPlan)| plan.with_tables(tables.clone(), steps(number, plan));
    plans.iter().enumerate().map(plan).collect()
}

/// Two sums whose quotient is the best value of a number.
type Ratio = (f64, f64);

/// What least squares need: per table entry, and per latent of each plan.
struct Sums {
    error: f64,
    /// By the index of an entry in all tables: sum of `step * z`, and of `step^2`.
    entries: Vec<Ratio>,
    /// By plan and latent: sum of `value * z`, and of `value^2`, values being table entries.
    latents: Vec<Vec<Ratio>>,
}

impl Sums {
    fn empty(plan: &BitPlan) -> Self {
        let entries = vec![(0.0, 0.0); plan.tables().entries().len()];
        Self { error: 0.0, entries, latents: vec![vec![(0.0, 0.0); plan.latents()]] }
    }

    fn of(plans: &[BitPlan], latents: &[&[f32]], check: Check<'_>) -> Result<Self> {
        /// A fixed number of rows per block, so that the sums do not depend on the threads.
        const PART_ROWS: usize = 512;
        let mut all: Option<Self> = None;
        for (plan, latents) in plans.iter().zip(latents) {
            let blocks: Vec<Self> = latents
                .par_chunks(PART_ROWS * plan.latents())
                .map(|block| {
                    check()?;
                    let mut sums = Self::empty(plan);
                    sums.add(plan, block);
                    Ok(sums)
                })
                .collect::<Result<_>>()?;
            let sums = blocks.into_iter().fold(Self::empty(plan), Self::merged);
            all = Some(match all {
                None => sums,
                Some(mut all) => {
                    all.latents.extend(sums.latents);
                    all.error += sums.error;
                    add_all(&mut all.entries, &sums.entries);
                    all
                }
            });
        }
        Ok(all.expect("there is at least one plan"))
    }

    fn add(&mut self, plan: &BitPlan, latents: &[f32]) {
        let count = plan.latents();
        let bytes = plan.code_bytes();
        let mut packed_rows = vec![0; latents.len() / count * bytes];
        plan.encode(latents, &mut packed_rows);
        let entries = plan.tables().entries();
        for (row, packed) in latents.chunks_exact(count).zip(packed_rows.chunks_exact(bytes)) {
            for (i, z) in row.iter().enumerate() {
                let step = f64::from(plan.steps[i]);
                let at = plan.readers[i].entry(packed);
                let value = f64::from(entries[at]);
                let z = f64::from(*z);
                self.error += (z - step * value).powi(2);
                add(&mut self.entries[at], &(step * z, step * step));
                add(&mut self.latents[0][i], &(value * z, value * value));
            }
        }
    }

    fn merged(mut self, other: Self) -> Self {
        self.error += other.error;
        add_all(&mut self.entries, &other.entries);
        add_all(&mut self.latents[0], &other.latents[0]);
        self
    }

    /// The plans with their entries moved, and their steps if these are trained too. Each move alone
    /// shrinks the error; `refine` takes the two together back where they do not.
    fn moved(&self, plans: &[BitPlan], steps: bool) -> Result<Vec<BitPlan>> {
        let ratio = |old: f32, (above, below): &Ratio| match above / below {
            ratio if *below > 0.0 && ratio.is_finite() => ratio as f32,
            _ => old,
        };
        let mut tables = plans[0].tables().to_vecs();
        let mut sums = self.entries.iter();
        for (rate, table) in Rate::all().zip(&mut tables) {
            table.iter_mut().zip(&mut sums).for_each(|(value, sums)| *value = ratio(*value, sums));
            if !plans[0].window().is_trellis(rate) {
                table.sort_by(f32::total_cmp);
            }
        }
        with_tables(plans, &tables, |number, plan| {
            let mut moved = plan.steps.clone();
            if steps {
                let sums = moved.iter_mut().zip(&self.latents[number]);
                sums.for_each(|(step, sums)| *step = ratio(*step, sums));
            }
            moved
        })
    }
}

fn add(a: &mut Ratio, b: &Ratio) {
    *a = (a.0 + b.0, a.1 + b.1);
}

fn add_all(a: &mut [Ratio], b: &[Ratio]) {
    a.iter_mut().zip(b).for_each(|(a, b)| add(a, b));
}
