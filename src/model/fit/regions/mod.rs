//! Regions: clusters of rows, and for each a centroid, axes and rates. Rows move to the region that is
//! expected to code them best, and regions follow their rows.

mod cluster;

use std::sync::Arc;

use rayon::prelude::*;

use self::cluster::clusters;
use super::super::ModelConfig;
use super::axes::{Axes, BLOCK_ROWS, axes};
use super::options::CancelToken;
use super::queries::Moments;
use crate::bit_codes::{
    BitPlan, Distortions, Layout, RATE_COUNT, Rate, Tables, Window, allocate, byte_order,
};
use crate::error::Result;
use crate::linear::linear;
use crate::mixture::{Groups, Mixture, Region, center_rows, coding_cost, id_bits, rest_share};
use crate::sample::random_rows;

/// How often rows move to the region of least cost.
const ROUNDS: usize = 4;
/// Rounds end when at most this share of the rows moves.
const SETTLED: f64 = 0.02;
/// Regions that an encoder considers for a row.
const SHORTLIST: usize = 4;

/// The latents `[rows, latents]` of rows on their common axes, each divided by its standard deviation;
/// and the latents' variances.
pub(super) fn standardized(
    rows: &[f32],
    dim: usize,
    cancel: &CancelToken,
) -> Result<(Vec<f32>, Vec<f64>)> {
    let assigned = vec![0; rows.len() / dim];
    let axes = axes(rows, dim, &assigned, 1, cancel)?.remove(0);
    let count = axes.variances.len();
    let mut latents = vec![0.0; assigned.len() * count];
    let blocks = rows.par_chunks(BLOCK_ROWS * dim).zip(latents.par_chunks_mut(BLOCK_ROWS * count));
    blocks.for_each(|(rows, latents)| {
        let mut centered = vec![0.0; rows.len()];
        center_rows(rows, &axes.centroid, &mut centered);
        linear(latents, &centered, &axes.basis, None, dim);
        for row in latents.chunks_exact_mut(count) {
            for (z, variance) in row.iter_mut().zip(&axes.variances) {
                let scaled = (f64::from(*z) / variance.sqrt()) as f32;
                *z = if scaled.is_finite() { scaled } else { 0.0 };
            }
        }
    });
    Ok((latents, axes.variances))
}

/// What bits are given to latents by.
#[derive(Clone, Copy)]
pub(super) struct Goal<'a> {
    /// The share of a latent's variance that each rate leaves.
    pub(super) distortions: &'a Distortions,
    /// Where queries lie, and the exponent of the weights that they give; none where the squared error
    /// alone counts.
    pub(super) queries: Option<(&'a Moments, f64)>,
}

impl<'a> Goal<'a> {
    /// The same with weights of queries.
    pub(super) fn weighted(self, moments: &'a Moments, exponent: f64) -> Self {
        Self { queries: (exponent > 0.0).then_some((moments, exponent)), ..self }
    }
}

/// Regions before their tables are trained.
pub(super) struct Draft<'a> {
    dim: usize,
    window: Window,
    code_bytes: usize,
    goal: Goal<'a>,
    regions: Vec<DraftRegion>,
}

struct DraftRegion {
    axes: Axes,
    /// Of the symbols.
    rates: Vec<Rate>,
    /// Of the latents that have bits.
    latent_rates: Vec<Rate>,
}

impl<'a> Draft<'a> {
    /// Fits `count` regions to rows `[rows, dim]`. Returns the region of each row, too.
    pub(super) fn fit(
        rows: &[f32],
        config: &ModelConfig,
        count: usize,
        goal: Goal<'a>,
        seed: u64,
        cancel: &CancelToken,
    ) -> Result<(Self, Vec<u8>)> {
        let assigned = clusters(rows, config.dim, count, seed, cancel)?;
        Self::empty(config, goal).fitted(rows, assigned, count, cancel)
    }

    /// Fits the regions of an old model of the same shape to rows `[rows, dim]`. Returns the region of each
    /// row, too.
    pub(super) fn fit_from(
        old: &Mixture,
        rows: &[f32],
        config: &ModelConfig,
        goal: Goal<'a>,
        cancel: &CancelToken,
    ) -> Result<(Self, Vec<u8>)> {
        let mut draft = Self::empty(config, goal);
        draft.regions = old.regions().iter().map(DraftRegion::of).collect();
        let assigned = draft.assign(rows, cancel)?;
        draft.fitted(rows, assigned, old.regions().len(), cancel)
    }

    fn empty(config: &ModelConfig, goal: Goal<'a>) -> Self {
        let (window, code_bytes) = (config.window(), config.packed_size());
        Self { dim: config.dim, window, code_bytes, goal, regions: vec![] }
    }

    /// Regions that begin with these rows each, after the rounds in which rows move.
    fn fitted(
        mut self,
        rows: &[f32],
        mut assigned: Vec<u8>,
        count: usize,
        cancel: &CancelToken,
    ) -> Result<(Self, Vec<u8>)> {
        self.follow(rows, &assigned, count, cancel)?;
        if count > 1 {
            for _ in 0..ROUNDS {
                let before = assigned;
                assigned = self.assign(rows, cancel)?;
                let moved = before.iter().zip(&assigned).filter(|(a, b)| a != b).count();
                self.follow(rows, &assigned, count, cancel)?;
                if moved as f64 <= SETTLED * assigned.len() as f64 {
                    break;
                }
            }
        }
        Ok((self, assigned))
    }

    /// Makes the regions those of their rows.
    fn follow(
        &mut self,
        rows: &[f32],
        assigned: &[u8],
        count: usize,
        cancel: &CancelToken,
    ) -> Result<()> {
        let axes = axes(rows, self.dim, assigned, count, cancel)?;
        self.regions = axes.into_iter().map(|axes| self.planned(axes, count)).collect();
        Ok(())
    }

    pub(super) fn goal(&self) -> Goal<'a> {
        self.goal
    }

    pub(super) fn region_count(&self) -> usize {
        self.regions.len()
    }

    /// Regions of other rows, given the region of each, without another look at which rows those have.
    pub(super) fn of_other_rows(
        &self,
        rows: &[f32],
        assigned: &[u8],
        cancel: &CancelToken,
    ) -> Result<Self> {
        let mut draft = Self { regions: vec![], ..*self };
        draft.follow(rows, assigned, self.regions.len(), cancel)?;
        Ok(draft)
    }

    /// The same regions, with bits for another goal.
    pub(super) fn for_goal(mut self, goal: Goal<'a>) -> Self {
        self.goal = goal;
        let regions = std::mem::take(&mut self.regions);
        let count = regions.len();
        self.regions = regions.into_iter().map(|region| self.planned(region.axes, count)).collect();
        self
    }

    /// Gives bits to the axes, and leaves out those without.
    fn planned(&self, axes: Axes, count: usize) -> DraftRegion {
        let bits = 8 * self.code_bytes - id_bits(count) as usize;
        let (axes, needs) = self.by_need(axes);
        if self.window != Window::Own {
            let rates = allocate(self.window, &needs, self.goal.distortions, bits);
            let latent_rates =
                rates.iter().flat_map(|rate| std::iter::repeat_n(*rate, rate.latents())).collect();
            return DraftRegion { axes, rates, latent_rates };
        }
        // Latents of a scalar code do not cross a byte, so that not every bit can be used.
        let mut spent = bits;
        let (rates, order) = loop {
            let rates = allocate(self.window, &needs, self.goal.distortions, spent);
            match byte_order(&rates, id_bits(count), self.code_bytes) {
                Some(order) => break (rates, order),
                None => spent -= 1,
            }
        };
        let all: Vec<usize> = order.iter().copied().chain(rates.len()..needs.len()).collect();
        let rates: Vec<Rate> = order.iter().map(|i| rates[*i]).collect();
        DraftRegion { axes: axes.ordered(&all), latent_rates: rates.clone(), rates }
    }

    /// The axes in descending order of their need for bits: the variance, times the weight that queries
    /// give to the axis.
    fn by_need(&self, mut axes: Axes) -> (Axes, Vec<f64>) {
        let mut needs = axes.variances.clone();
        if let Some((moments, exponent)) = self.goal.queries {
            let squares = axes.query_squares.get_or_insert_with(|| moments.squares(&axes.basis));
            needs.iter_mut().zip(squares).for_each(|(need, w)| *need *= w.powf(exponent));
        }
        if needs.is_sorted_by(|a, b| a >= b) {
            return (axes, needs);
        }
        let mut order: Vec<usize> = (0..needs.len()).collect();
        order.sort_by(|a, b| needs[*b].total_cmp(&needs[*a]));
        let needs = order.iter().map(|i| needs[*i]).collect();
        (axes.ordered(&order), needs)
    }

    /// The region of each row that is expected to leave the least error of it.
    fn assign(&self, rows: &[f32], cancel: &CancelToken) -> Result<Vec<u8>> {
        let block = |rows: &[f32]| {
            cancel.check()?;
            let count = rows.len() / self.dim;
            let (mut best, mut found) = (vec![f64::INFINITY; count], vec![0u8; count]);
            let (mut centered, mut latents) = (Vec::new(), Vec::new());
            for (number, region) in self.regions.iter().enumerate() {
                region.project(rows, &mut centered, &mut latents);
                let shares = self.shares(region);
                let rows = centered.chunks_exact(self.dim).zip(latents.chunks_exact(shares.len()));
                for (row, (y, z)) in rows.enumerate() {
                    let energy: f64 = y.iter().map(|y| f64::from(*y).powi(2)).sum();
                    let (mut squares, mut coded) = (0.0, 0.0);
                    for ((z, share), variance) in z.iter().zip(&shares).zip(&region.axes.variances)
                    {
                        let square = f64::from(*z).powi(2);
                        squares += square;
                        coded += coding_cost(*share, *variance, square);
                    }
                    let cost = coded + (energy - squares).max(0.0);
                    if cost < best[row] {
                        (best[row], found[row]) = (cost, number as u8);
                    }
                }
            }
            Ok(found)
        };
        let blocks = rows.par_chunks(BLOCK_ROWS * self.dim).map(block);
        Ok(blocks.collect::<Result<Vec<_>>>()?.concat())
    }

    /// The share of the variance of each coded latent that its bits leave.
    fn shares(&self, region: &DraftRegion) -> Vec<f64> {
        region.latent_rates.iter().map(|rate| self.goal.distortions[rate.number()]).collect()
    }

    /// The plans of all regions with these tables. Steps are standard deviations.
    pub(super) fn plans(&self, tables: &Arc<Tables>) -> Result<Vec<BitPlan>> {
        let layout = Layout::of(self.window);
        let first = id_bits(self.regions.len());
        let plan = |region: &DraftRegion| {
            let used = region.latent_rates.len();
            let steps = region.axes.variances[..used].iter().map(|v| v.sqrt() as f32).collect();
            let bytes = Some(self.code_bytes);
            BitPlan::new(tables.clone(), layout, &region.rates, steps, first, bytes)
        };
        self.regions.iter().map(plan).collect()
    }

    /// The latents that will be coded of a random sample of rows, by region.
    pub(super) fn training_latents(
        &self,
        rows: &[f32],
        assigned: &[u8],
        max_rows: usize,
        seed: u64,
    ) -> Vec<Vec<f32>> {
        let sample = random_rows(assigned.len(), max_rows, seed);
        let regions: Vec<u8> = sample.iter().map(|row| assigned[*row]).collect();
        let mut groups = Groups::default();
        groups.sort(&regions, self.regions.len());
        let mut all = vec![vec![]; self.regions.len()];
        for (number, group) in groups.iter() {
            let gathered: Vec<f32> = group
                .iter()
                .flat_map(|at| &rows[sample[*at as usize] * self.dim..][..self.dim])
                .copied()
                .collect();
            self.regions[number].project(&gathered, &mut Vec::new(), &mut all[number]);
        }
        all
    }

    /// The mixture of these regions with plans that may have been trained.
    pub(super) fn mixture(&self, plans: Vec<BitPlan>) -> Result<Mixture> {
        let rest_shares = self.regions.iter().zip(&plans).map(|(region, plan)| {
            let mut shares = self.shares(region);
            shares.resize(region.axes.variances.len(), 1.0);
            rest_share(plan, &region.axes.variances, &shares)
        });
        let rest_shares = rest_shares.collect();
        let region = |(region, plan): (&DraftRegion, BitPlan)| Region {
            centroid: region.axes.centroid.clone(),
            basis: region.axes.basis[..plan.latents() * self.dim].to_vec(),
            plan,
        };
        let regions: Vec<Region> = self.regions.iter().zip(plans).map(region).collect();
        let mut distortions = [1.0; RATE_COUNT];
        for (share, found) in distortions.iter_mut().zip(self.goal.distortions) {
            *share = if found.is_finite() { *found as f32 } else { 1.0 };
        }
        let shortlist = SHORTLIST.min(regions.len());
        Mixture::new(self.dim, regions, distortions, rest_shares, shortlist)
    }
}

impl DraftRegion {
    /// A region of a model. Its steps are about the standard deviations of its latents.
    fn of(region: &Region) -> Self {
        let Region { centroid, basis, plan } = region;
        let variances = plan.steps().iter().map(|step| f64::from(*step).powi(2)).collect();
        let (centroid, basis) = (centroid.clone(), basis.clone());
        Self {
            axes: Axes { centroid, basis, variances, query_squares: None },
            rates: plan.symbols().iter().map(|symbol| symbol.rate).collect(),
            latent_rates: plan.latent_rates().collect(),
        }
    }

    /// Writes the rows `[rows, dim]` without the centroid, and the latents that have bits.
    fn project(&self, rows: &[f32], centered: &mut Vec<f32>, latents: &mut Vec<f32>) {
        let (dim, count) = (self.axes.centroid.len(), self.latent_rates.len());
        centered.resize(rows.len(), 0.0);
        center_rows(rows, &self.axes.centroid, centered);
        latents.resize(rows.len() / dim * count, 0.0);
        linear(latents, centered, &self.axes.basis[..count * dim], None, dim);
    }
}
