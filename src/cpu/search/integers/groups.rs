//! Neighbouring latents that are looked up together.

use std::ops::Range;

use crate::bit_codes::{BitPlan, LatentWindow};
use crate::simd::vectorized;

/// Neighbouring latents, and the bits of a row that they depend on.
pub(super) struct Group {
    pub(super) start: u32,
    pub(super) bits: u32,
    latents: Range<usize>,
    windows: Vec<LatentWindow>,
}

/// Divides the latents of a plan into groups whose bits `fit`. A latent whose own bits don't is a group by
/// itself.
pub(super) fn groups(plan: &BitPlan, fit: impl Fn(&Range<u32>) -> bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (latent, window) in plan.latent_windows().enumerate() {
        let end = window.start + window.bits;
        if let Some(group) = groups.last_mut()
            && group.start <= window.start
            && fit(&(group.start..end.max(group.start + group.bits)))
        {
            group.bits = group.bits.max(end - group.start);
            group.latents.end = latent + 1;
            group.windows.push(window);
        } else {
            let latents = latent..latent + 1;
            let LatentWindow { start, bits, .. } = window;
            groups.push(Group { start, bits, latents, windows: vec![window] });
        }
    }
    groups
}

impl Group {
    /// What the latents add to the product with a query, for all that the bits may be.
    pub(super) fn sums(&self, plan: &BitPlan, query: &[f32]) -> Vec<f64> {
        let entries = plan.tables().entries();
        let mut sums = vec![0.0; 1 << self.bits];
        for (q, window) in query[self.latents.clone()].iter().zip(&self.windows) {
            let values: Vec<f64> = (0..1usize << window.bits)
                .map(|bits| entries[window.table as usize + (bits << window.missing)])
                .map(|entry| f64::from(*q) * f64::from(entry))
                .collect();
            let shift = window.start - self.start;
            vectorized(
                #[inline(always)]
                || add(&mut sums, &values, shift),
            );
        }
        sums
    }
}

/// Adds to each sum the value that its number's bits from `shift` on select.
#[inline(always)]
fn add(sums: &mut [f64], values: &[f64], shift: u32) {
    if shift == 0 {
        for sums in sums.chunks_exact_mut(values.len()) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    } else {
        let equal = sums.chunks_exact_mut(1 << shift).zip(values.iter().cycle());
        equal.for_each(|(sums, value)| sums.iter_mut().for_each(|sum| *sum += value));
    }
}
