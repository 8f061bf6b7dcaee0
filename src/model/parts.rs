//! A mixture as named tensors: what its file holds, and what its fingerprint hashes.

use std::borrow::Cow;
use std::sync::Arc;

use half::f16;

use super::config::ModelConfig;
use crate::bit_codes::{BitPlan, Layout, RATE_COUNT, Rate, Tables, Window};
use crate::error::Result;
use crate::mixture::{Mixture, Region, id_bits};

pub(super) const CENTROIDS: &str = "centroids";
pub(super) const BASIS: &str = "basis";
pub(super) const STEPS: &str = "steps";
/// Of scalar codes: the latents of each region, and the bits of each latent.
pub(super) const LATENTS: &str = "latents";
pub(super) const BITS: &str = "bits";
/// Of a trellis: how many latents of each region have each rate.
pub(super) const COUNTS: &str = "counts";
pub(super) const DISTORTIONS: &str = "distortions";
pub(super) const REST_SHARES: &str = "rest_shares";
pub(super) const SHORTLIST: &str = "shortlist";
const TABLES: [&str; RATE_COUNT] = [
    "table.12",
    "table.11",
    "table.10",
    "table.9",
    "table.8",
    "table.7",
    "table.6",
    "table.5",
    "table.4",
    "table.3",
    "table.2",
    "table.1.5",
    "table.1",
    "table.0.5",
];

/// A tensor of a mixture.
pub(super) struct Part<'a> {
    pub(super) name: &'static str,
    pub(super) shape: Vec<usize>,
    pub(super) data: Data<'a>,
}

pub(super) enum Data<'a> {
    F32(Cow<'a, [f32]>),
    F16(Vec<f16>),
    U32(Vec<u32>),
    U8(Vec<u8>),
}

impl Data<'_> {
    /// The bytes in a file: little-endian.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::F32(values) => bytemuck::cast_slice(values),
            Self::F16(values) => bytemuck::cast_slice(values),
            Self::U32(values) => bytemuck::cast_slice(values),
            Self::U8(values) => values,
        }
    }
}

pub(super) fn table_name(rate: Rate) -> &'static str {
    TABLES[rate.number()]
}

pub(super) fn table_shape(window: Window, rate: Rate) -> Vec<usize> {
    let entries = 1 << window.bits(rate);
    if rate.latents() == 2 { vec![2, entries] } else { vec![entries] }
}

/// The tensors of a mixture, in the order that the fingerprint hashes.
pub(super) fn of_mixture<'a>(config: &ModelConfig, mixture: &'a Mixture) -> Vec<Part<'a>> {
    let (regions, dim) = (mixture.regions(), config.dim);
    let (count, tables) = (regions.len(), regions[0].plan.tables());
    let latents: usize = regions.iter().map(|region| region.plan.latents()).sum();
    fn joined(regions: &[Region], values: impl Fn(&Region) -> &[f32]) -> Data<'static> {
        let all: Vec<f32> = regions.iter().flat_map(values).copied().collect();
        Data::F32(all.into())
    }
    let part = |name, shape, data| Part { name, shape, data };
    let mut parts = vec![
        part(CENTROIDS, vec![count, dim], joined(regions, |region| &region.centroid)),
        part(BASIS, vec![latents, dim], joined(regions, |region| &region.basis)),
        part(STEPS, vec![latents], joined(regions, |region| region.plan.steps())),
    ];
    match tables.window() {
        Window::Own => {
            let counts = regions.iter().map(|region| region.plan.latents() as u32).collect();
            parts.push(part(LATENTS, vec![count], Data::U32(counts)));
            let bits_per_latent =
                regions.iter().flat_map(|region| region.plan.symbol_bits()).collect();
            parts.push(part(BITS, vec![latents], Data::U8(bits_per_latent)));
        }
        Window::Last(_) => {
            let mut counts = vec![0; count * RATE_COUNT];
            for (region, counts) in regions.iter().zip(counts.chunks_exact_mut(RATE_COUNT)) {
                region.plan.latent_rates().for_each(|rate| counts[rate.number()] += 1);
            }
            parts.push(part(COUNTS, vec![count, RATE_COUNT], Data::U32(counts)));
        }
    }
    for rate in Rate::all() {
        let table = tables.table(rate);
        if !table.is_empty() {
            let values = table.iter().map(|v| f16::from_f32(*v)).collect();
            let shape = table_shape(tables.window(), rate);
            parts.push(part(table_name(rate), shape, Data::F16(values)));
        }
    }
    let distortions = Data::F32(mixture.distortions().as_slice().into());
    parts.push(part(DISTORTIONS, vec![RATE_COUNT], distortions));
    parts.push(part(REST_SHARES, vec![count], Data::F32(mixture.rest_shares().into())));
    let shortlist = vec![mixture.shortlist() as u32];
    parts.push(part(SHORTLIST, vec![1], Data::U32(shortlist)));
    parts
}

/// The numbers of a mixture, as its file has them.
pub(super) struct MixtureParts {
    pub(super) centroids: Vec<f32>,
    pub(super) basis: Vec<f32>,
    pub(super) steps: Vec<f32>,
    /// Of the symbols of each region.
    pub(super) rates: Vec<Vec<Rate>>,
    pub(super) tables: [Vec<f32>; RATE_COUNT],
    pub(super) distortions: [f32; RATE_COUNT],
    pub(super) rest_shares: Vec<f32>,
    pub(super) shortlist: usize,
}

impl MixtureParts {
    /// Checks the numbers and divides them among regions. Their lengths fit `rates`.
    pub(super) fn into_mixture(self, config: &ModelConfig) -> Result<Mixture> {
        let tables = Arc::new(Tables::new(config.window(), &self.tables)?);
        let layout = Layout::of(config.window());
        let (mut basis, mut steps) = (self.basis.as_slice(), self.steps.as_slice());
        let mut regions = Vec::with_capacity(self.rates.len());
        for (rates, centroid) in self.rates.iter().zip(self.centroids.chunks_exact(config.dim)) {
            let latents = rates.iter().map(|rate| rate.latents()).sum();
            let (own_basis, own_steps);
            (own_basis, basis) = basis.split_at(latents * config.dim);
            (own_steps, steps) = steps.split_at(latents);
            let first = id_bits(self.rates.len());
            let bytes = Some(config.packed_size());
            let plan =
                BitPlan::new(tables.clone(), layout, rates, own_steps.to_vec(), first, bytes)?;
            let (centroid, basis) = (centroid.to_vec(), own_basis.to_vec());
            regions.push(Region { centroid, basis, plan });
        }
        Mixture::new(config.dim, regions, self.distortions, self.rest_shares, self.shortlist)
    }
}

/// The rates of a scalar code's latents, by region.
pub(super) fn scalar_rates(
    counts: &[u32],
    bits_per_latent: &[u8],
) -> Result<Vec<Vec<Rate>>, String> {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if total != bits_per_latent.len() as u64 {
        return Err(format!(
            "{LATENTS} sums to {total}, and {BITS} holds {}",
            bits_per_latent.len()
        ));
    }
    if let Some(bits) = bits_per_latent.iter().find(|bits| !(1..=8).contains(*bits)) {
        return Err(format!("{BITS} gives {bits} bits to a latent, and 1 to 8 are valid"));
    }
    let mut rest = bits_per_latent;
    let rates = |count: &u32| {
        let (own, after) = rest.split_at(*count as usize);
        rest = after;
        own.iter().map(|bits| Rate::whole(*bits)).collect()
    };
    Ok(counts.iter().map(rates).collect())
}

/// The rates of a trellis' symbols, by region, from the latents of each rate.
pub(super) fn trellis_rates(counts: &[u32], latents: usize) -> Result<Vec<Vec<Rate>>, String> {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if total != latents as u64 {
        return Err(format!("{COUNTS} sums to {total}, and {STEPS} holds {latents}"));
    }
    let region = |counts: &[u32]| {
        let (mut rates, mut before) = (Vec::new(), 0);
        for (rate, &count) in Rate::all().zip(counts) {
            let count = count as usize;
            if !count.is_multiple_of(rate.latents())
                || (count > 0 && rate.latents() == 2 && before % 2 == 1)
            {
                let name = table_name(rate);
                return Err(format!(
                    "{COUNTS} gives {name} {count} latents from latent {before} on"
                ));
            }
            before += count;
            rates.extend(std::iter::repeat_n(rate, count / rate.latents()));
        }
        Ok(rates)
    };
    counts.chunks_exact(RATE_COUNT).map(region).collect()
}
