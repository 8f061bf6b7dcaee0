//! Which latents get how many bits.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::rates::{RATE_COUNT, Rate};
use super::tables::Window;

/// The share of a latent's variance that coding leaves, by the number of the rate. It is infinite
/// where there is no table.
pub(crate) type Distortions = [f64; RATE_COUNT];

/// About what a good quantiser leaves, before there are tables.
pub(crate) fn usual_distortions() -> Distortions {
    let mut distortions = [0.0; RATE_COUNT];
    for rate in Rate::all() {
        distortions[rate.number()] = (-1.9 * f64::from(rate.bits_per_latent())).exp2();
    }
    distortions
}

/// Divides `bits` bits among latents whose variances descend. Returns the rate of each symbol, in
/// descending order. Latents without bits are left out.
///
/// Groups are pairs of neighbouring latents, or single latents in a scalar code. Each group has a list
/// of choices: bits, and the error that they leave. Of the choices the lower convex hull counts, and
/// the steps along all hulls are taken in the order of the error that a bit removes. This is the best
/// division for the number of bits that it uses (Shoham and Gersho, 1988). Single bits in the order of
/// their gain would not be: the second half bit of a pair can be worth more than the first.
pub(crate) fn allocate(
    window: Window,
    variances: &[f64],
    distortions: &Distortions,
    bits: usize,
) -> Vec<Rate> {
    let per_group = if window == Window::Own { 1 } else { 2 };
    let groups: Vec<Group> =
        variances.chunks(per_group).map(|group| Group::new(window, group, distortions)).collect();
    let mut heap: BinaryHeap<Gain> =
        groups.iter().enumerate().filter_map(|(number, group)| group.gain(number, 0)).collect();
    let mut taken = vec![0; groups.len()];
    let mut left = bits;
    while let Some(gain) = heap.pop() {
        let group = &groups[gain.group];
        let more = group.hull[gain.choice].bits - group.hull[taken[gain.group]].bits;
        // A step that no longer fits ends its group. Smaller steps of other groups may fit.
        if more <= left {
            left -= more;
            taken[gain.group] = gain.choice;
            heap.extend(group.gain(gain.group, gain.choice));
        }
    }
    let mut rates: Vec<Rate> = groups
        .iter()
        .zip(&taken)
        .flat_map(|(group, taken)| group.hull[*taken].rates)
        .flatten()
        .collect();
    rates.sort_by(|a, b| b.cmp(a));
    // Pairs begin at even latents. The last of an odd number of latents can be in their way.
    for half in [Rate::ONE_AND_HALF, Rate::HALF] {
        let before = rates.partition_point(|rate| *rate > half);
        if before % 2 == 1 && rates.get(before) == Some(&half) {
            rates.remove(before - 1);
        }
    }
    // A constant latent still needs a code where it is the only one.
    if rates.is_empty() {
        rates.push(Rate::whole(1));
    }
    symbols(&rates)
}

/// One symbol per pair of equal half rates.
fn symbols(rates: &[Rate]) -> Vec<Rate> {
    let mut symbols = Vec::new();
    let mut latent = 0;
    while latent < rates.len() {
        symbols.push(rates[latent]);
        latent += rates[latent].latents();
    }
    symbols
}

/// The order in which scalar latents fill the bytes of a row, so that none crosses a byte: each latent
/// goes to the first byte that has room for it (first fit, descending). None if they need over
/// `code_bytes` bytes. The first `first_bit` bits are taken.
pub(crate) fn byte_order(rates: &[Rate], first_bit: u32, code_bytes: usize) -> Option<Vec<usize>> {
    let mut room = vec![8; code_bytes];
    *room.first_mut()? -= first_bit;
    let mut filled = vec![Vec::new(); code_bytes];
    for (latent, rate) in rates.iter().enumerate() {
        let byte = room.iter().position(|room| *room >= rate.bits())?;
        room[byte] -= rate.bits();
        filled[byte].push(latent);
    }
    Some(filled.concat())
}

/// One or two latents that bits are given to.
struct Group {
    hull: Vec<Choice>,
}

#[derive(Clone, Copy)]
struct Choice {
    bits: usize,
    error: f64,
    /// The rates of the group's latents.
    rates: [Option<Rate>; 2],
}

/// A step to a choice of a group, and the error that a bit of the step removes.
struct Gain {
    per_bit: f64,
    group: usize,
    choice: usize,
}

impl Group {
    fn new(window: Window, variances: &[f64], distortions: &Distortions) -> Self {
        let choice = |rates: [Option<Rate>; 2]| {
            let share = |rate: Option<Rate>| rate.map_or(1.0, |rate| distortions[rate.number()]);
            let errors = variances.iter().zip(rates).map(|(v, rate)| v * share(rate));
            let bits: f32 = rates.iter().flatten().map(|rate| rate.bits_per_latent()).sum();
            Choice { bits: bits as usize, error: errors.sum(), rates }
        };
        let mut choices = vec![choice([None; 2])];
        let mut ascending: Vec<Rate> = Rate::all().filter(|rate| window.allows(*rate)).collect();
        ascending.reverse();
        let mut last: Option<Rate> = None;
        for rate in ascending {
            let two = variances.len() == 2;
            if rate.latents() == 2 && !two {
                continue;
            }
            // One bit more for the first latent, where no symbol of both latents has as many bits.
            if two
                && rate.latents() == 1
                && let Some(last) = last
                && last.latents() == 1
            {
                choices.push(choice([Some(rate), Some(last)]));
            }
            choices.push(choice([Some(rate), two.then_some(rate)]));
            last = Some(rate);
        }
        choices.retain(|choice| choice.error.is_finite());
        Self { hull: lower_hull(choices) }
    }

    /// The step from a choice to the next one.
    fn gain(&self, group: usize, choice: usize) -> Option<Gain> {
        let (from, to) = (self.hull.get(choice)?, self.hull.get(choice + 1)?);
        let per_bit = (from.error - to.error) / (to.bits - from.bits) as f64;
        (per_bit > 0.0).then_some(Gain { per_bit, group, choice: choice + 1 })
    }
}

/// The choices, in order of their bits, that are below every line between two others.
fn lower_hull(choices: Vec<Choice>) -> Vec<Choice> {
    let mut hull: Vec<Choice> = Vec::new();
    for choice in choices {
        while let [.., a, b] = hull[..] {
            let slope =
                |from: &Choice, to: &Choice| (to.error - from.error) / (to.bits - from.bits) as f64;
            if slope(&a, &b) < slope(&a, &choice) {
                break;
            }
            hull.pop();
        }
        hull.push(choice);
    }
    hull
}

impl Ord for Gain {
    /// The largest gain first, then the first group.
    fn cmp(&self, other: &Self) -> Ordering {
        self.per_bit.total_cmp(&other.per_bit).then(other.group.cmp(&self.group))
    }
}

impl PartialOrd for Gain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Gain {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Gain {}
