//! Latents that share a table.

use std::cmp::Reverse;

use super::blocks::LANES;
use crate::bit_codes::{BitPlan, LatentWindow};

/// A latent, its bits and its entries.
pub(super) struct Field {
    /// The first bit of its window, and the bit behind the last.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Bits of the table's index that are zero because they would lie before the trellis: the lowest ones.
    pub(super) missing: usize,
    /// The others.
    pub(super) mask: u8,
    /// Where its entries begin in the table.
    pub(super) begin: u8,
    pub(super) latent: usize,
    /// The step of its entries.
    pub(super) step: f64,
}

/// Latents that are looked up in one table.
pub(super) struct Set {
    pub(super) table: [u8; 256],
    /// Entries that are used.
    pub(super) used: usize,
    /// In the order of their bits.
    pub(super) fields: Vec<Field>,
}

/// Latents that have the same entries.
struct Kind {
    /// Bits of an entry's index.
    bits: u32,
    /// The first of the entries.
    table: u32,
    latents: Vec<(usize, LatentWindow)>,
}

/// Divides the latents into sets: those of windows of few bits have one, because their tables lie behind each other in
/// 64 entries. None where a window has more than 8 bits.
pub(super) fn sets(plan: &BitPlan) -> Option<Vec<Set>> {
    let mut kinds: Vec<Kind> = Vec::new();
    for (latent, window) in plan.latent_windows().enumerate() {
        let (bits, table) = (window.bits + window.missing, window.table);
        if bits > 8 {
            return None;
        }
        match kinds.iter_mut().find(|kind| (kind.bits, kind.table) == (bits, table)) {
            Some(kind) => kind.latents.push((latent, window)),
            None => kinds.push(Kind { bits, table, latents: vec![(latent, window)] }),
        }
    }
    // The largest first, so that each table begins at a multiple of its size.
    kinds.sort_by_key(|kind| Reverse(kind.bits));
    let mut sets: Vec<Set> = Vec::new();
    for Kind { bits, table, latents } in kinds {
        let (table, step) = rounded(&plan.tables().entries()[table as usize..][..1 << bits]);
        if sets.last().is_none_or(|set| set.used + table.len() > LANES) {
            sets.push(Set { table: [128; 256], used: 0, fields: Vec::new() });
        }
        let last = sets.len() - 1;
        let set = &mut sets[last];
        let begin = set.used as u8;
        set.table[set.used..][..table.len()].copy_from_slice(&table);
        set.used += table.len();
        set.fields.extend(latents.into_iter().map(|(latent, window)| {
            let (start, bits) = (window.start as usize, window.bits as usize);
            let missing = window.missing as usize;
            let mask = (((1 << bits) - 1) << missing) as u8;
            Field { start, end: start + bits, missing, mask, begin, latent, step }
        }));
    }
    sets.iter_mut().for_each(|set| set.fields.sort_by_key(|field| field.start));
    Some(sets)
}

/// Entries in steps, and the step.
fn rounded(entries: &[f32]) -> (Vec<u8>, f64) {
    let largest = entries.iter().fold(0.0, |max: f32, entry| max.max(entry.abs()));
    let step = f64::from(largest) / 127.0;
    let rounded = |entry: &f32| match step {
        0.0 => 128,
        step => ((f64::from(*entry) / step).round() as i32 + 128) as u8,
    };
    (entries.iter().map(rounded).collect(), step)
}
