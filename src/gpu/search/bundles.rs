//! Scalar codes scored by bundles of latents, with one query: see `shaders/search/bundle_products.wgsl`.
//!
//! ```text
//! q . z = sum_l q_l e_l                   e_l = entry of the latent's table, by its bits
//!       = sum_s t_s[bits of bundle s]     t_s = sum_{l in s} q_l e_l
//! ```
//!
//! A bundle is neighbouring latents of a word. Larger bundles need fewer look-ups, into larger tables, which wait longer
//! for each other. All regions have the same bundles, so that these are known when the kernel is compiled: none begins
//! or ends within a latent of any region.

use super::super::device::Caps;
use super::super::kernels::{BundleShape, MAX_WORDS, PairCodes, Resident, WIDE_THREADS};
use super::division::divided;
use crate::bit_codes::{BitPlan, LatentWindow};
use crate::plan::count;

/// Bytes of the tables of all queries that are answered together.
const TABLE_BYTES: u64 = 32 << 20;

/// The bundles of a row, and the latents of each in all regions.
pub(crate) struct BundleLayout {
    pub(super) shape: BundleShape,
    bundles: Vec<Bundle>,
    /// By region and bundle.
    latents: Vec<Vec<Latent>>,
    /// The tables of all latents.
    entries: Vec<f32>,
}

/// Some bits of a row: `Bundle` in `shaders/search/bundle_tables.wgsl`, and where its bits begin.
#[derive(Clone, Copy, Debug)]
struct Bundle {
    start: u32,
    bits: u32,
    /// Where its table begins.
    table: u32,
}

/// `Latent` in `shaders/search/bundle_tables.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Latent {
    value: u32,
    shift: u32,
    bits: u32,
    first_entry: u32,
}

impl BundleLayout {
    /// None for a trellis, for long rows, where a latent crosses a byte, where workgroup memory has no room for the
    /// tables of a region, and where there are more tables than workgroups.
    pub(super) fn new(plans: &[&BitPlan], pairs: &PairCodes, caps: &Caps) -> Option<Self> {
        let first = plans.first()?;
        let words = first.code_bytes().div_ceil(4);
        if !plans.iter().all(|plan| plan.has_bytes()) || words > MAX_WORDS {
            return None;
        }
        let bundles = bundles(plans, words)?;
        let mut starts = [0; MAX_WORDS];
        for bundle in &bundles {
            starts[(bundle.start / u32::BITS) as usize] |= 1 << (bundle.start % u32::BITS);
        }
        let end = bundles.last().map_or(0, |last| last.table + (1 << last.bits));
        let of_region = |(region, plan): (usize, &&BitPlan)| {
            let numbers = pairs.values_of_latents(region);
            let windows: Vec<LatentWindow> = plan.latent_windows().collect();
            bundles.iter().map(move |bundle| bundle.latents(&windows, &numbers)).collect::<Vec<_>>()
        };
        let latents: Vec<Vec<Latent>> = plans.iter().enumerate().flat_map(of_region).collect();
        let shape = BundleShape {
            words: count(words),
            bundles: count(bundles.len()),
            starts,
            per_bundle: count(latents.iter().map(Vec::len).max()?),
            entries: end.next_multiple_of(4),
            is_wide: caps.workgroup_threads >= WIDE_THREADS,
        };
        let entries = first.tables().entries().to_vec();
        // A workgroup makes the table of a bundle in a region.
        let has_room = shape.table_bytes() <= caps.workgroup_bytes
            && latents.len() <= caps.limits.groups as usize;
        has_room.then_some(Self { shape, bundles, latents, entries })
    }

    pub(super) fn residents(&self) -> [(Resident, Vec<u8>); 3] {
        let bundles: Vec<[u32; 2]> =
            self.bundles.iter().map(|bundle| [bundle.bits, bundle.table]).collect();
        let mut latents: Vec<Latent> = Vec::new();
        for of_bundle in &self.latents {
            let end = latents.len() + self.shape.per_bundle as usize;
            latents.extend(of_bundle);
            latents.resize(end, Latent::default());
        }
        [
            (Resident::Bundles, bytemuck::cast_slice(&bundles).to_vec()),
            (Resident::BundleLatents, bytemuck::cast_slice(&latents).to_vec()),
            (Resident::BitTables, bytemuck::cast_slice(&self.entries).to_vec()),
        ]
    }

    /// Queries that are answered together, at most.
    pub(super) fn max_queries(&self) -> usize {
        (TABLE_BYTES / self.table_bytes()).max(1) as usize
    }

    fn regions(&self) -> usize {
        self.latents.len() / self.bundles.len()
    }

    /// Tables of a query: one for each bundle.
    pub(crate) fn table_count(&self) -> u32 {
        count(self.latents.len())
    }

    /// Bytes of the tables of a query.
    pub(super) fn table_bytes(&self) -> u64 {
        self.regions() as u64 * self.shape.table_bytes()
    }
}

impl Bundle {
    /// Its latents, of those with some windows and numbers of values.
    fn latents(&self, windows: &[LatentWindow], values: &[u32]) -> Vec<Latent> {
        let bits = self.start..self.start + self.bits;
        let inside = windows.iter().zip(values).filter(|(window, _)| bits.contains(&window.start));
        let latent = |(window, value): (&LatentWindow, &u32)| Latent {
            value: *value,
            shift: window.start - self.start,
            bits: window.bits,
            first_entry: window.table,
        };
        inside.map(latent).collect()
    }
}

/// The bundles of a row; none where a latent crosses a byte.
fn bundles(plans: &[&BitPlan], words: usize) -> Option<Vec<Bundle>> {
    // The bits of each word that are not the first ones of a latent, in any region.
    let mut inner = vec![0u32; words];
    for window in plans.iter().flat_map(|plan| plan.latent_windows()) {
        for bit in window.start + 1..window.start + window.bits {
            inner[(bit / u32::BITS) as usize] |= 1 << (bit % u32::BITS);
        }
    }
    let (mut bundles, mut table) = (Vec::new(), 0);
    for (word, inner) in inner.into_iter().enumerate() {
        let mut start = count(word) * u32::BITS;
        for bits in divided(inner)? {
            bundles.push(Bundle { start, bits, table });
            start += bits;
            table += 1 << bits;
        }
    }
    Some(bundles)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bit_codes::{Layout, PaddedRow, RATE_COUNT, Rate, Tables, Window};
    use crate::gpu::kernels::MAX_BUNDLES;
    use crate::gpu::tests::caps;

    /// Numbers between -1 and 1.
    fn number(seed: u32) -> f32 {
        (seed.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn plan(rates: &[Rate], first: u32, bytes: Option<usize>) -> BitPlan {
        let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
        for rate in (1..=8).map(Rate::whole) {
            // Not around zero, and of several sizes.
            let entry = |i: u32| 0.3 + number(i + 977 * rate.bits()) * rate.bits() as f32;
            tables[rate.number()] = (0..1 << Window::Own.bits(rate)).map(entry).collect();
        }
        let tables = Arc::new(Tables::new(Window::Own, &tables).unwrap());
        BitPlan::new(tables, Layout::Bytes, rates, vec![1.0; rates.len()], first, bytes).unwrap()
    }

    fn plans() -> Vec<BitPlan> {
        let rates =
            [8, 6, 2, 5, 3, 5, 3, 4, 4, 4, 4, 4, 4, 3, 1, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
                .map(Rate::whole);
        let longest = plan(&rates, 0, None);
        let bytes = Some(longest.code_bytes());
        vec![longest, plan(&rates[8..], 3, bytes)]
    }

    fn layout(plans: &[&BitPlan], caps: &Caps) -> Option<BundleLayout> {
        BundleLayout::new(plans, &PairCodes::new(plans, 9), caps)
    }

    /// The product of a row with a query by what the shaders are given.
    fn product(layout: &BundleLayout, region: usize, query: &[f32], row: &[u8]) -> f32 {
        let residents = layout.residents();
        let words = |at: usize| bytemuck::pod_collect_to_vec::<u8, u32>(&residents[at].1);
        let (bundles, latents) = (words(0), words(1));
        let per_bundle = layout.shape.per_bundle as usize;
        let bit = |number: u32| u32::from(row[number as usize / 8] >> (number % 8) & 1);
        let mut sum = 0.0;
        for (number, bundle) in layout.bundles.iter().enumerate() {
            assert_eq!(bundles[2 * number..][..2], [bundle.bits, bundle.table]);
            // Behind the last byte of a row there are no latents.
            let end = (bundle.start + bundle.bits).min(8 * row.len() as u32);
            let bits = (bundle.start..end).rev().fold(0, |bits, number| 2 * bits + bit(number));
            let first = (region * layout.bundles.len() + number) * per_bundle;
            for latent in latents[4 * first..].chunks_exact(4).take(per_bundle) {
                let code = bits >> latent[1] & ((1 << latent[2]) - 1);
                if latent[2] > 0 {
                    sum += query[latent[0] as usize] * layout.entries[(latent[3] + code) as usize];
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

    /// Tables lie apart, no latent crosses a bundle, and the kernel's constants say how words are divided.
    #[test]
    fn bundles_and_their_tables_lie_apart() {
        let plans = plans();
        let plans: Vec<&BitPlan> = plans.iter().collect();
        let layout = layout(&plans, &caps(true, None)).unwrap();
        let mut end = 0;
        for bundle in layout.bundles.iter().filter(|bundle| bundle.bits > 0) {
            assert_eq!(bundle.table, end, "{bundle:?}");
            end += 1 << bundle.bits;
            for latent in plans.iter().flat_map(|plan| plan.latent_windows()) {
                let inside = |bit| (bundle.start..bundle.start + bundle.bits).contains(&bit);
                let last = latent.start + latent.bits - 1;
                assert_eq!(inside(latent.start), inside(last), "{latent:?} in {bundle:?}");
            }
        }
        assert!(end <= layout.shape.entries && layout.shape.entries < end + 4);
        for (word, starts) in layout.shape.starts.iter().enumerate() {
            let mut of_word =
                layout.bundles.iter().filter(|bundle| bundle.start as usize / 32 == word);
            assert!(of_word.clone().count() <= MAX_BUNDLES);
            assert_eq!(
                of_word.clone().map(|bundle| bundle.bits).sum::<u32>(),
                if *starts > 0 { 32 } else { 0 }
            );
            assert!(of_word.all(|bundle| starts >> (bundle.start % 32) & 1 == 1));
        }
    }

    /// The bundles of a word take the least time in which no latent of any region is divided.
    #[test]
    fn words_are_divided_by_the_latents_of_all_regions() {
        let of = |bits: &[u8]| {
            plan(&bits.iter().map(|bits| Rate::whole(*bits)).collect::<Vec<_>>(), 0, Some(4))
        };
        let threes = of(&[3, 3, 2, 3, 3, 2, 3, 3, 2, 3, 3, 2]);
        let (twos, ones) = (of(&[2; 16]), of(&[1; 32]));
        let (fours, fives) = (of(&[4; 8]), of(&[5, 3, 5, 3, 5, 3, 5, 3]));
        let sevens = of(&[7, 1, 7, 1, 7, 1, 7, 1]);
        let cases: [(&[&BitPlan], &[u32]); 6] = [
            (&[&threes, &ones], &[6, 5, 5, 6, 5, 5]),
            (&[&fours, &twos], &[4; 8]),
            (&[&fives, &ones], &[5, 3, 5, 3, 5, 3, 5, 3]),
            (&[&sevens, &ones], &[8; 4]),
            (&[&threes, &fours], &[8; 4]),
            (&[&ones], &[5, 5, 5, 5, 5, 7]),
        ];
        for (plans, bits) in cases {
            let found: Vec<u32> =
                bundles(plans, 1).unwrap().iter().map(|found| found.bits).collect();
            assert_eq!(found, bits, "{plans:?}");
        }
    }

    #[test]
    fn tables_that_have_no_room_are_not_formed() {
        let plans = plans();
        let plans: Vec<&BitPlan> = plans.iter().collect();
        let small = Caps { workgroup_bytes: 1024, ..caps(true, None) };
        assert!(layout(&plans, &small).is_none());
        let mut few_groups = caps(true, None);
        few_groups.limits.groups = 10;
        assert!(layout(&plans, &few_groups).is_none());
        assert!(layout(&plans, &caps(true, None)).is_some());
    }
}
