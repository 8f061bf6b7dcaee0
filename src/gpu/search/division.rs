//! How bundles of latents divide the words of scalar codes.

use super::super::kernels::{MAX_BUNDLE_BITS, MAX_BUNDLES};

/// What a look-up into a table of so many bits costs, in tenths: 1 to form the index, and as long as it waits.
///
/// 32 look-ups at random into 32 banks wait for as many different entries as the bank has that is asked for the most of
/// them. That is one of 32 entries, two of 64, and about 2.7 of 128 and 3.5 of 256.
const COSTS: [u32; MAX_BUNDLE_BITS as usize + 1] = [0, 20, 20, 20, 20, 20, 30, 37, 45];

/// The bits of a word's bundles, of which none begins at an inner bit, at the least cost. None if there are none.
///
/// ```text
/// least[m][end] = min, over first < end, of  least[m - 1][first] + cost of end - first bits
/// ```
pub(super) fn divided(inner: u32) -> Option<Vec<u32>> {
    let begins = |bit: u32| bit == u32::BITS || inner >> bit & 1 == 0;
    let ends: Vec<u32> = (0..=u32::BITS).filter(|bit| begins(*bit)).collect();
    // The cost of m bundles of so many first bits, and their bits.
    let mut least: Vec<Option<(u32, Vec<u32>)>> = vec![None; u32::BITS as usize + 1];
    least[0] = Some((0, Vec::new()));
    let mut best: Option<(u32, Vec<u32>)> = None;
    for _ in 0..MAX_BUNDLES {
        let mut next = vec![None; least.len()];
        for &end in &ends {
            let of = |first: &u32| {
                let bits = end.checked_sub(*first).filter(|bits| *bits > 0)?;
                let (cost, before) = least[*first as usize].as_ref()?;
                let all = before.iter().copied().chain([bits]).collect();
                Some((cost + COSTS.get(bits as usize)?, all))
            };
            next[end as usize] = ends.iter().filter_map(of).min();
        }
        let whole = next.last().cloned().flatten();
        best = best.into_iter().chain(whole).min();
        least = next;
    }
    best.map(|(_, bits)| bits)
}
