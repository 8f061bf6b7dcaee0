//! Neighbouring latents that are looked up together.

use crate::bit_codes::{BitPlan, LatentWindow};

/// Neighbouring latents, and the bits of a row that they depend on.
pub(super) struct Group {
    pub(super) start: u32,
    pub(super) bits: u32,
    /// Each latent's number, and its bits.
    pub(super) latents: Vec<(usize, LatentWindow)>,
}

/// Divides the latents of a plan into groups. `has_room` says whether a group may have the bits from one up to
/// another. A latent for whose bits it has none is a group by itself.
pub(super) fn groups(plan: &BitPlan, has_room: impl Fn(u32, u32) -> bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (latent, window) in plan.latent_windows().enumerate() {
        let LatentWindow { start, bits, .. } = window;
        if let Some(group) = groups.last_mut()
            && has_room(group.start, start + bits)
        {
            group.bits = start + bits - group.start;
            group.latents.push((latent, window));
        } else {
            groups.push(Group { start, bits, latents: vec![(latent, window)] });
        }
    }
    groups
}

impl Group {
    pub(super) fn is_in_byte(&self) -> bool {
        is_in_byte(self.start, self.start + self.bits)
    }

    /// What the latents add to the product with a query, for all that the bits may be.
    pub(super) fn sums(&self, plan: &BitPlan, query: &[f32]) -> Vec<f64> {
        let entries = plan.tables().entries();
        let mut sums = vec![0.0; 1 << self.bits];
        for (latent, window) in &self.latents {
            let (shift, mask) = (window.start - self.start, (1 << window.bits) - 1);
            for (bits, sum) in sums.iter_mut().enumerate() {
                let at = ((bits >> shift) & mask) << window.missing;
                let entry = entries[window.table as usize + at];
                *sum += f64::from(query[*latent]) * f64::from(entry);
            }
        }
        sums
    }
}

/// Whether bits lie in one byte.
pub(super) fn is_in_byte(start: u32, end: u32) -> bool {
    start / 8 == (end - 1) / 8
}
