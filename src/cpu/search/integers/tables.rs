//! How the tables of [`super::look_ups`] are made: window by window, the last one first.
//!
//! The table of some windows is looked up by the bits from the first window's first bit on. With one window before
//! them, these are so many bits more:
//!
//! ```text
//! added[w]  = what the latents of the window before add       rounded to an integer
//! table'[x] = table[x >> more] + added[x & mask]              the window has the lowest bits
//! ```
//!
//! So all tables but the last are small.

use super::groups::Group;
use crate::bit_codes::{LatentWindow, Tables};

/// Bits that a table is looked up by.
pub(super) const SPAN: u32 = 12;
/// Entries of a table.
pub(super) const ENTRIES: usize = 1 << SPAN;
/// Entries that are made together.
const BLOCK: usize = 16;

/// Memory for small tables.
pub(super) type Scratch = Option<Box<[[u16; ENTRIES]; 3]>>;

/// An entry adds `weight (entry - zero)`, which is not negative, in steps of the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    pub(super) weight: f32,
    pub(super) zero: f32,
}

/// Makes the table of a group. `weights` are those of all latents.
#[inline(always)]
pub(super) fn make(
    tables: &Tables,
    group: &Group,
    weights: &[Weight],
    [added, from, to]: &mut [[u16; ENTRIES]; 3],
    table: &mut [u16; ENTRIES],
) {
    let (mut from, mut to) = (from, to);
    let (mut begin, mut len) = (group.start + SPAN, 1);
    from[0] = 0;
    let windows = group.latents.chunk_by(|(_, a), (_, b)| (a.start, a.bits) == (b.start, b.bits));
    let mut windows = windows.rev().peekable();
    while let Some(latents) = windows.next() {
        let (_, LatentWindow { start, bits, .. }) = latents[0];
        let added = &mut added[..1 << bits];
        // A symbol has one or two latents.
        for (number, (latent, window)) in latents.iter().enumerate() {
            let entries = &tables.entries()[window.table as usize..];
            let entries = &entries[..1 << (bits + window.missing)];
            round(entries, window.missing, weights[*latent], added, number > 0);
        }
        let more = begin - start;
        let all = if windows.peek().is_none() { &mut table[..] } else { &mut to[..len << more] };
        extend(&from[..len], more, added, all);
        (begin, len) = (start, len << more);
        (from, to) = (to, from);
    }
}

/// What a latent adds, instead of what is there or added to it. A window that lacks its lowest bits has every so many
/// entries.
#[inline(always)]
fn round(entries: &[f32], missing: u32, weight: Weight, added: &mut [u16], is_second: bool) {
    let Weight { weight, zero } = weight;
    // The lowest bits of a sum with 2^23 are the nearest integer.
    let integer = |entry: f32| (weight * (entry - zero) + (1 << 23) as f32).to_bits() as u16;
    if missing > 0 {
        for (added, entry) in added.iter_mut().zip(entries.iter().step_by(1 << missing)) {
            *added = integer(*entry).wrapping_add(if is_second { *added } else { 0 });
        }
    } else if is_second {
        let all = added.iter_mut().zip(entries);
        all.for_each(|(added, entry)| *added = added.wrapping_add(integer(*entry)));
    } else {
        added.iter_mut().zip(entries).for_each(|(added, entry)| *added = integer(*entry));
    }
}

/// The next table: `to[x] = from[x >> more] + added[x]`, with `added` repeated.
#[inline(always)]
fn extend(from: &[u16], more: u32, added: &[u16], to: &mut [u16]) {
    match more {
        1 if added.len() >= BLOCK && to.len() >= BLOCK => extend_by::<2, 8>(from, added, to),
        2 if added.len() >= BLOCK && to.len() >= BLOCK => extend_by::<4, 4>(from, added, to),
        3 if added.len() >= BLOCK && to.len() >= BLOCK => extend_by::<8, 2>(from, added, to),
        _ => {
            let run = added.len().min(1 << more);
            let added = added.chunks_exact(run).cycle();
            for ((at, to), added) in to.chunks_exact_mut(run).enumerate().zip(added) {
                let from = from[(at * run) >> more];
                to.iter_mut().zip(added).for_each(|(to, added)| *to = from.wrapping_add(*added));
            }
        }
    }
}

/// The same a block at a time: `EACH` entries for each of `COUNT` before.
#[inline(always)]
fn extend_by<const EACH: usize, const COUNT: usize>(from: &[u16], added: &[u16], to: &mut [u16]) {
    let (from, added) = (from.as_chunks::<COUNT>().0, added.as_chunks::<BLOCK>().0);
    let (to, _) = to.as_chunks_mut::<BLOCK>();
    for (from, to) in from.chunks(added.len()).zip(to.chunks_mut(added.len())) {
        for ((from, to), added) in from.iter().zip(to).zip(added) {
            *to = std::array::from_fn(|i| from[i / EACH].wrapping_add(added[i]));
        }
    }
}
