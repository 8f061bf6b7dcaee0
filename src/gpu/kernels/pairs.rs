//! Bit codes as a search reads them: two latents in one look-up.
//!
//! Neighbouring latents of a trellis share bits: the windows of two are little longer than one. Their bits
//! together select a pair of values:
//!
//! ```text
//! pairs[bits] = (table[bits % 2^window], table[bits >> rate])         two symbols of a latent each
//! pairs[bits] = (first table[bits], second table[bits])               a symbol of two latents
//! pairs[bits] = (table[bits], 0)                                      what has no neighbour, or too many bits
//! ```
//!
//! Look-ups that lie a constant stride apart, and within 32 bits, make a step.

use crate::bit_codes::{BitPlan, LatentWindow, Rate, Tables};

/// A step, as `shaders/search/bit_products.wgsl` reads it.
pub(crate) type Step = [u32; 4];

/// The steps of a model's regions, and the tables that the regions share.
pub(crate) struct PairCodes {
    /// `[regions, steps]`; steps without look-ups at the end of regions that have fewer.
    pub(crate) steps: Vec<Step>,
    pub(crate) steps_per_region: usize,
    /// A multiple of four.
    pub(crate) pairs: Vec<[f32; 2]>,
    /// For each region, which latent each value of a query belongs to; none for padding.
    pub(crate) latents: Vec<Vec<Option<usize>>>,
    /// For each region, how each two values are looked up: see `shaders/search/coop_scan.wgsl`.
    pub(crate) look_ups: Vec<Vec<[u32; 2]>>,
}

/// Of a pair.
type LookUp = super::look_ups::LookUp<2>;

impl LookUp {
    fn words(&self) -> [u32; 2] {
        [self.start | self.zeros << 20 | self.bits << 24, self.table]
    }
}

impl PairCodes {
    /// `plans` are those of the regions, which share their tables. Two symbols of more than `max_pair_bits` bits
    /// are looked up one by one, so that their table is small.
    pub(crate) fn new(plans: &[&BitPlan], max_pair_bits: u32) -> Self {
        let tables = plans[0].tables();
        let mut tables = PairTables { tables, max_pair_bits, starts: vec![], pairs: vec![] };
        let regions: Vec<Vec<LookUp>> = plans.iter().map(|plan| tables.look_ups(plan)).collect();
        let steps: Vec<Vec<&[LookUp]>> = regions.iter().map(|all| in_steps(all)).collect();
        let steps_per_region = steps.iter().map(Vec::len).max().unwrap_or(0);
        // Kernels read four at a time.
        let count = tables.pairs.len().next_multiple_of(4);
        tables.pairs.resize(count, [0.0; 2]);
        let mut codes = Self {
            steps: vec![],
            steps_per_region,
            pairs: tables.pairs,
            latents: vec![],
            look_ups: vec![],
        };
        for steps in steps {
            let (mut latents, mut look_ups) = (Vec::new(), Vec::new());
            for step in &steps {
                latents.extend(step.iter().flat_map(|look_up| look_up.latents));
                latents.resize(latents.len().next_multiple_of(4), None);
                look_ups.extend(step.iter().map(LookUp::words));
                look_ups.resize(latents.len() / 2, [0; 2]);
                codes.steps.push(words(step));
            }
            codes.latents.push(latents);
            codes.look_ups.push(look_ups);
            codes.steps.resize(codes.latents.len() * steps_per_region, Step::default());
        }
        codes
    }

    /// Which value of a query in a region belongs to each of its latents.
    pub(crate) fn values_of_latents(&self, region: usize) -> Vec<u32> {
        let values = &self.latents[region];
        let mut numbers = vec![0; values.iter().flatten().count()];
        let both = (0..).zip(values).filter_map(|(value, latent)| Some((value, (*latent)?)));
        both.for_each(|(value, latent)| numbers[latent] = value);
        numbers
    }

    /// Values of a query in the region that has most of them.
    pub(crate) fn values(&self) -> usize {
        self.latents.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// The tables of pairs that look-ups need, one after the other.
struct PairTables<'a> {
    tables: &'a Tables,
    max_pair_bits: u32,
    /// Where the table of a rate begins, by whether it is one of pairs.
    starts: Vec<((Rate, bool), u32)>,
    pairs: Vec<[f32; 2]>,
}

impl PairTables<'_> {
    fn look_ups(&mut self, plan: &BitPlan) -> Vec<LookUp> {
        let windows: Vec<LatentWindow> = plan.latent_windows().collect();
        let mut look_ups = Vec::new();
        let mut rest = plan.symbols();
        while let [symbol, others @ ..] = rest {
            let (rate, latent) = (symbol.rate, symbol.latent);
            let window = &windows[latent];
            let bits = window.bits + window.missing + rate.bits();
            let is_pair = others.first().is_some_and(|next| {
                rate.latents() == 1
                    && next.rate == rate
                    && next.end == symbol.end + rate.bits()
                    && bits <= self.max_pair_bits
            });
            let both = [Some(latent), Some(latent + 1)];
            rest = if is_pair { &others[1..] } else { others };
            let (more_bits, latents) = match rate.latents() {
                1 if is_pair => (rate.bits(), both),
                1 => (0, [Some(latent), None]),
                _ => (0, both),
            };
            look_ups.push(LookUp::new(
                window,
                more_bits,
                self.start(rate, latents == both),
                latents,
            ));
        }
        look_ups
    }

    /// Where the table begins, which is added if it is not there.
    fn start(&mut self, rate: Rate, is_pair: bool) -> u32 {
        let key = (rate, is_pair);
        if let Some((_, start)) = self.starts.iter().find(|(found, _)| *found == key) {
            return *start;
        }
        let start = self.pairs.len() as u32;
        if is_pair {
            self.pairs.extend_from_slice(self.tables.pairs(rate));
        } else {
            self.pairs.extend(self.tables.latent_table(rate, 0).iter().map(|value| [*value, 0.0]));
        }
        self.starts.push((key, start));
        start
    }
}

/// Divides look-ups into steps, each as long as it can be.
fn in_steps(mut rest: &[LookUp]) -> Vec<&[LookUp]> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let mut len = LookUp::in_one_step(rest);
        // Look-ups are made two at a time: an odd one at the end of a step would waste another.
        len -= usize::from(len > 1 && len % 2 == 1 && len < rest.len());
        let (step, after) = rest.split_at(len);
        steps.push(step);
        rest = after;
    }
    steps
}

fn words(step: &[LookUp]) -> Step {
    let first = &step[0];
    let stride = step.get(1).map_or(0, |second| second.distance_from(first));
    let twos = step.len().div_ceil(2) as u32;
    [first.start, first.table, stride | first.bits << 8 | first.zeros << 16, twos]
}

#[cfg(test)]
mod tests {
    use super::super::look_ups::tests::{plans, rows};
    use super::*;

    /// The values of a row as the shader reads them, by latent.
    fn values(codes: &PairCodes, region: usize, words: &[u32], latents: usize) -> Vec<f32> {
        let mut found = vec![f32::NAN; latents];
        let mut order = codes.latents[region].iter();
        let steps = &codes.steps[region * codes.steps_per_region..][..codes.steps_per_region];
        for &[start, table, packed, twos] in steps {
            let at = (start / 32) as usize;
            let next = (at + 1).min(words.len() - 1);
            let both = u64::from(words[at]) | u64::from(words[next]) << 32;
            let mut bits = ((both >> (start % 32)) as u32) << (packed >> 16);
            let (stride, mask) = (packed & 0xff, (1 << (packed >> 8 & 0xff)) - 1);
            for _ in 0..2 * twos {
                for value in codes.pairs[(table + (bits & mask)) as usize] {
                    if let Some(latent) = order.next().unwrap() {
                        assert!(found[*latent].is_nan(), "latent {latent} is looked up twice");
                        found[*latent] = value;
                    }
                }
                bits >>= stride;
            }
        }
        assert_eq!(order.next(), None);
        found
    }

    #[test]
    fn look_ups_give_the_values_of_all_latents() {
        for plans in plans() {
            let plans: Vec<&BitPlan> = plans.iter().collect();
            for (max_pair_bits, (region, plan)) in [9, 11, 12]
                .into_iter()
                .flat_map(|bits| plans.iter().enumerate().map(move |p| (bits, p)))
            {
                let codes = PairCodes::new(&plans, max_pair_bits);
                for (row, expected) in rows(plan) {
                    let found = values(&codes, region, &row, plan.latents());
                    assert_eq!(found, expected, "{:?}, region {region}", plan.window());
                }
            }
        }
    }
}
