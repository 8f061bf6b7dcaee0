//! Scalar codes scored by bundles of latents, with one query: see `shaders/search/bundle_products.wgsl`.
//!
//! ```text
//! q . z = sum_l q_l e_l                   e_l = entry of the latent's table, by its bits
//!       = sum_s t_s[bits of bundle s]     t_s = sum_{l in s} q_l e_l
//! ```
//!
//! A bundle is neighbouring latents of a word. Most have 5 or 6 bits: a table of 64 entries takes two words of each of 32
//! memory banks, and look-ups hardly wait for each other. Larger tables would need fewer look-ups, which wait longer.

use super::super::device::Caps;
use super::super::kernels::{
    BUNDLES, BundleShape, PairCodes, Resident, UNIFORM_BYTES, WIDE_THREADS,
};
use crate::bit_codes::{BitPlan, LatentWindow};
use crate::plan::count;

/// Bytes of the tables of all queries that are answered together.
const TABLE_BYTES: u64 = 32 << 20;

/// The bundles of all regions.
pub(crate) struct BundleLayout {
    pub(super) shape: BundleShape,
    /// By region, the bundles of each word.
    regions: Vec<Vec<Vec<Bundle>>>,
    /// By region and latent, which value of a query it is multiplied by.
    values: Vec<Vec<u32>>,
    /// The tables of all latents.
    entries: Vec<f32>,
}

/// Neighbouring latents of a word, by their numbers and windows.
#[derive(Clone, Debug, Default)]
struct Bundle {
    latents: Vec<(usize, LatentWindow)>,
    /// Where its table begins.
    table: u32,
}

impl Bundle {
    /// The first bit.
    fn start(&self) -> u32 {
        self.latents.first().map_or(0, |(_, window)| window.start)
    }

    fn bits(&self) -> u32 {
        self.latents.last().map_or(0, |(_, window)| window.start + window.bits - self.start())
    }

    /// Entries of the table.
    fn size(&self) -> u32 {
        1 << self.bits()
    }

    /// How it is read: see `shaders/search/bundle_products.wgsl`.
    fn read(&self) -> u32 {
        (self.start() % u32::BITS) | ((self.size() - 1) << 8)
    }
}

impl BundleLayout {
    /// None for a trellis and for scalar codes of older formats, where a latent crosses a word, and where workgroup memory
    /// has no room for the tables of a region.
    pub(super) fn new(plans: &[&BitPlan], pairs: &PairCodes, caps: &Caps) -> Option<Self> {
        let first = plans.first()?;
        if !plans.iter().all(|plan| plan.has_bytes()) {
            return None;
        }
        let words = first.code_bytes().div_ceil(4).next_multiple_of(4);
        let mut regions =
            plans.iter().map(|plan| bundles(plan, words)).collect::<Option<Vec<_>>>()?;
        let entries = regions.iter_mut().map(|words| place_tables(words)).max()?;
        let all = || regions.iter().flatten().flatten();
        let reads = 4 * regions.len() * words * 2 * BUNDLES;
        let shape = BundleShape {
            words: count(words),
            per_bundle: count(all().map(|bundle| bundle.latents.len()).max()?),
            entries: entries.next_multiple_of(4),
            largest: all().map(Bundle::size).max()?,
            in_uniform: reads <= UNIFORM_BYTES && caps.uniform_bytes >= UNIFORM_BYTES as u64,
            is_wide: caps.workgroup_threads >= WIDE_THREADS,
        };
        let values = pairs.latents.iter().zip(plans).map(|(latents, plan)| {
            let mut values = vec![0; plan.latents()];
            let both = (0..).zip(latents).filter_map(|(at, latent)| Some((at, (*latent)?)));
            both.for_each(|(at, latent)| values[latent] = at);
            values
        });
        let has_room = shape.table_bytes() <= caps.workgroup_bytes;
        let (values, entries) = (values.collect(), first.tables().entries().to_vec());
        has_room.then_some(Self { shape, regions, values, entries })
    }

    pub(super) fn residents(&self) -> [(Resident, Vec<u8>); 3] {
        let (mut reads, mut latents) = (Vec::new(), Vec::new());
        for (words, values) in self.regions.iter().zip(&self.values) {
            for bundles in words {
                reads.extend(bundles.iter().map(Bundle::read));
                reads.extend(bundles.iter().map(|bundle| bundle.table));
                for bundle in bundles {
                    let end = latents.len() + self.shape.per_bundle as usize;
                    latents.extend(bundle.latents.iter().map(|(latent, window)| {
                        // `Latent` in `shaders/search/bundle_tables.wgsl`.
                        [values[*latent], window.start - bundle.start(), window.bits, window.table]
                    }));
                    latents.resize(end, [0; 4]);
                }
            }
        }
        if self.shape.in_uniform {
            reads.resize(UNIFORM_BYTES / 4, 0);
        }
        [
            (Resident::Bundles, bytemuck::cast_slice(&reads).to_vec()),
            (Resident::BundleLatents, bytemuck::cast_slice(&latents).to_vec()),
            (Resident::BitTables, bytemuck::cast_slice(&self.entries).to_vec()),
        ]
    }

    /// Queries that are answered together, at most.
    pub(super) fn max_queries(&self) -> usize {
        (TABLE_BYTES / self.table_bytes()).max(1) as usize
    }

    /// Tables of a query: one for each bundle.
    pub(crate) fn table_count(&self) -> u32 {
        count(self.regions.len() * BUNDLES) * self.shape.words
    }

    /// Bytes of the tables of a query.
    pub(super) fn table_bytes(&self) -> u64 {
        self.regions.len() as u64 * self.shape.table_bytes()
    }
}

/// The bundles of all words of a row; none where a latent crosses a word.
fn bundles(plan: &BitPlan, words: usize) -> Option<Vec<Vec<Bundle>>> {
    let mut all = vec![Vec::new(); words];
    for latent in plan.latent_windows().enumerate() {
        let window = latent.1;
        if window.start % u32::BITS + window.bits > u32::BITS {
            return None;
        }
        all[(window.start / u32::BITS) as usize].push(latent);
    }
    Some(all.iter().map(|latents| divided(latents)).collect())
}

/// The latents of a word in [`BUNDLES`] bundles of neighbours, with as few entries in all their tables as can be.
///
/// ```text
/// least[m][end] = min, over first < end, of  least[m - 1][first] + 2^(bits of latents first to end)
/// ```
fn divided(latents: &[(usize, LatentWindow)]) -> Vec<Bundle> {
    let bits = |first: usize, end: usize| {
        let last = latents[end - 1].1;
        last.start + last.bits - latents[first].1.start
    };
    // The fewest entries of m bundles of so many first latents, and the first latent of the last of them.
    let mut least = vec![vec![(None, 0); latents.len() + 1]; BUNDLES + 1];
    least[0][0].0 = Some(0u64);
    for m in 1..=BUNDLES {
        for end in 1..=latents.len() {
            let entries =
                |first: usize| Some((least[m - 1][first].0? + (1 << bits(first, end)), first));
            if let Some((entries, first)) = (0..end).filter_map(entries).min() {
                least[m][end] = (Some(entries), first);
            }
        }
    }
    let mut end = latents.len();
    let entries = |m: &usize| least[*m][end].0.unwrap_or(u64::MAX);
    let mut m = (0..=BUNDLES).min_by_key(entries).unwrap_or(0);
    let mut bundles = vec![Bundle::default(); BUNDLES];
    while m > 0 {
        let first = least[m][end].1;
        bundles[m - 1].latents = latents[first..end].to_vec();
        (m, end) = (m - 1, first);
    }
    bundles
}

/// Places the tables of a region, the largest first, so that each begins at a multiple of its size. Returns where the
/// last one ends.
fn place_tables(words: &mut [Vec<Bundle>]) -> u32 {
    let mut bundles: Vec<&mut Bundle> = words.iter_mut().flatten().collect();
    bundles.sort_by_key(|bundle| std::cmp::Reverse(bundle.size()));
    let mut end = 0;
    for bundle in bundles {
        bundle.table = end;
        // Those without bits share one.
        end += if bundle.bits() > 0 { bundle.size() } else { 0 };
    }
    end + 1
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bit_codes::{Layout, PaddedRow, RATE_COUNT, Rate, Tables, Window};
    use crate::gpu::tests::caps;

    /// Numbers between -1 and 1.
    fn number(seed: u32) -> f32 {
        (seed.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn plans() -> Vec<BitPlan> {
        let rates =
            [8, 6, 2, 5, 3, 5, 3, 4, 4, 4, 4, 4, 4, 3, 1, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
                .map(Rate::whole);
        let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
        for rate in &rates {
            // Not around zero, and of several sizes.
            let entry = |i: u32| 0.3 + number(i + 977 * rate.bits()) * rate.bits() as f32;
            tables[rate.number()] = (0..1 << Window::Own.bits(*rate)).map(entry).collect();
        }
        let tables = Arc::new(Tables::new(Window::Own, &tables).unwrap());
        let plan = |rates: &[Rate], first, bytes| {
            BitPlan::new(tables.clone(), Layout::Bytes, rates, vec![1.0; rates.len()], first, bytes)
        };
        let longest = plan(&rates, 0, None).unwrap();
        let bytes = Some(longest.code_bytes());
        vec![longest, plan(&rates[8..], 3, bytes).unwrap()]
    }

    fn layout(plans: &[&BitPlan], caps: &Caps) -> Option<BundleLayout> {
        BundleLayout::new(plans, &PairCodes::new(plans, 9), caps)
    }

    /// The product of a row with a query as the shaders compute it, from what they are given.
    fn product(layout: &BundleLayout, region: usize, query: &[f32], row: &[u8]) -> f32 {
        let residents = layout.residents();
        let words = |at: usize| bytemuck::pod_collect_to_vec::<u8, u32>(&residents[at].1);
        let (reads, latents) = (words(0), words(1));
        let mut bytes = row.to_vec();
        bytes.resize(4 * layout.shape.words as usize, 0xff);
        let per_bundle = layout.shape.per_bundle as usize;
        let mut sum = 0.0;
        for (number, bytes) in bytes.chunks_exact(4).enumerate() {
            let found = u32::from_le_bytes(bytes.try_into().unwrap());
            let word = region * layout.shape.words as usize + number;
            for bundle in 0..BUNDLES {
                let read = reads[word * 2 * BUNDLES + bundle];
                let bits = found >> (read & 31) & (read >> 8);
                let of_bundle =
                    latents[4 * per_bundle * (word * BUNDLES + bundle)..].chunks_exact(4);
                for latent in of_bundle.take(per_bundle) {
                    let code = bits >> latent[1] & ((1 << latent[2]) - 1);
                    if latent[2] > 0 {
                        sum +=
                            query[latent[0] as usize] * layout.entries[(latent[3] + code) as usize];
                    }
                }
            }
        }
        sum
    }

    /// Each latent is looked up once, by its own bits.
    #[test]
    fn products_by_bundles_are_those_of_the_values() {
        let plans = plans();
        let plans: Vec<&BitPlan> = plans.iter().collect();
        let layout = layout(&plans, &caps(true, None)).expect("no latent crosses a word");
        let pairs = PairCodes::new(&plans, 9);
        for (region, plan) in plans.iter().enumerate() {
            let query: Vec<f32> = (0..plan.latents() as u32).map(number).collect();
            let in_order = pairs.latents[region].iter();
            let ordered: Vec<f32> =
                in_order.map(|latent| latent.map_or(0.0, |at| query[at])).collect();
            for seed in 0..200 {
                let byte = |i: u32| (number(i + 89 * seed) * 128.0) as i8 as u8;
                let row: Vec<u8> = (0..plan.code_bytes() as u32).map(byte).collect();
                let mut values = vec![0.0; plan.latents()];
                plan.values(&row, &mut PaddedRow::default(), &mut values);
                let terms = query.iter().zip(&values).map(|(q, v)| f64::from(*q) * f64::from(*v));
                let expected: f64 = terms.sum();
                let found = f64::from(product(&layout, region, &ordered, &row));
                assert!((found - expected).abs() < 1e-4, "{found}, {expected}");
            }
        }
    }

    /// A word has few bundles, and tables lie apart, each at a multiple of its size.
    #[test]
    fn bundles_fit_their_words_and_tables() {
        let plans = plans();
        let plans: Vec<&BitPlan> = plans.iter().collect();
        let layout = layout(&plans, &caps(true, None)).unwrap();
        for words in &layout.regions {
            let mut taken = vec![false; layout.shape.entries as usize];
            for bundles in words {
                assert_eq!(bundles.len(), BUNDLES);
                for bundle in bundles.iter().filter(|bundle| bundle.bits() > 0) {
                    assert!(bundle.start() % u32::BITS + bundle.bits() <= u32::BITS, "{bundle:?}");
                    assert!(bundle.table.is_multiple_of(bundle.size()), "{bundle:?}");
                    let table = &mut taken[bundle.table as usize..][..bundle.size() as usize];
                    assert!(table.iter_mut().all(|taken| !std::mem::replace(taken, true)));
                }
            }
        }
    }

    #[test]
    fn tables_that_have_no_room_are_not_formed() {
        let plans = plans();
        let plans: Vec<&BitPlan> = plans.iter().collect();
        let small = Caps { workgroup_bytes: 1024, ..caps(true, None) };
        assert!(layout(&plans, &small).is_none());
        let without_uniform = Caps { uniform_bytes: 16 << 10, ..caps(true, None) };
        assert!(layout(&plans, &caps(true, None)).unwrap().shape.in_uniform);
        assert!(!layout(&plans, &without_uniform).unwrap().shape.in_uniform);
    }
}
