//! Look-ups of a row's bits, and how they are divided into steps.

use crate::bit_codes::LatentWindow;

/// Bits that one shift brings into a word.
const STEP_BITS: u32 = u32::BITS;

/// One look-up: so many bits from bit `start` on, of which the first are zeros that the row does not have.
pub(super) struct LookUp<const LATENTS: usize> {
    pub(super) start: u32,
    pub(super) zeros: u32,
    pub(super) bits: u32,
    /// Where its table begins.
    pub(super) table: u32,
    pub(super) latents: [Option<usize>; LATENTS],
}

impl<const LATENTS: usize> LookUp<LATENTS> {
    /// `window` is that of the first latent.
    pub(super) fn new(
        window: &LatentWindow,
        more_bits: u32,
        table: u32,
        latents: [Option<usize>; LATENTS],
    ) -> Self {
        let bits = window.bits + window.missing + more_bits;
        Self { start: window.start, zeros: window.missing, bits, table, latents }
    }

    /// How far the first bit lies behind that of an earlier look-up.
    pub(super) fn distance_from(&self, earlier: &Self) -> u32 {
        self.start + earlier.zeros - earlier.start - self.zeros
    }

    /// How many of these look-ups, from the first on, make a step: they have one table, lie a constant stride apart, and
    /// within the bits of a word.
    pub(super) fn in_one_step(look_ups: &[Self]) -> usize {
        let [first, others @ ..] = look_ups else { return 0 };
        let stride = others.first().map_or(0, |second| second.distance_from(first));
        let fits = |(number, look_up): &(u32, &Self)| {
            let distance = look_up.distance_from(first);
            look_up.table == first.table
                && distance == number * stride
                && distance + first.bits <= STEP_BITS
        };
        1 + (1..).zip(others).take_while(fits).count()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use crate::bit_codes::{BitPlan, Layout, PaddedRow, RATE_COUNT, Rate, Tables, Window};

    /// Plans of two regions with windows of each kind.
    pub(in super::super) fn plans() -> Vec<[BitPlan; 2]> {
        let windows = [
            (Window::Own, Layout::Bytes),
            (Window::Own, Layout::Packed),
            (Window::Last(1), Layout::Packed),
            (Window::Last(4), Layout::Packed),
            (Window::Last(8), Layout::Packed),
            (Window::Last(12), Layout::Packed),
        ];
        let of_window = |(window, layout): (Window, Layout)| {
            let rates: Vec<Rate> = [9, 5, 4, 3, 3, 3, 2, 2, 2, 2, 2, 2]
                .map(Rate::whole)
                .into_iter()
                .chain([Rate::ONE_AND_HALF; 11])
                .chain([Rate::whole(1); 37])
                .chain([Rate::HALF; 29])
                .filter(|rate| window.allows(*rate))
                .collect();
            let mut tables: [Vec<f32>; RATE_COUNT] = Default::default();
            for rate in &rates {
                let len = rate.latents() << window.bits(*rate);
                tables[rate.number()] =
                    (0..len).map(|i| (100 * rate.number() + i) as f32).collect();
            }
            let tables = Arc::new(Tables::new(window, &tables).unwrap());
            let plan = |rates: &[Rate], first| {
                let latents = rates.iter().map(|rate| rate.latents()).sum();
                BitPlan::new(tables.clone(), layout, rates, vec![1.0; latents], first, None)
            };
            [plan(&rates, 0).unwrap(), plan(&rates[rates.len() / 2..], 5).unwrap()]
        };
        windows.map(of_window).into()
    }

    /// Rows of a plan as words, with the values of their latents.
    pub(in super::super) fn rows(plan: &BitPlan) -> Vec<(Vec<u32>, Vec<f32>)> {
        let row = |seed: u32| {
            let byte = |i: u32| ((i + 97 * seed).wrapping_mul(2_654_435_761) >> 13) as u8;
            let row: Vec<u8> = (0..plan.code_bytes() as u32).map(byte).collect();
            let mut values = vec![0.0; plan.latents()];
            plan.values(&row, &mut PaddedRow::default(), &mut values);
            let word = |bytes: &[u8]| {
                let mut word = [0; 4];
                word[..bytes.len()].copy_from_slice(bytes);
                u32::from_le_bytes(word)
            };
            (row.chunks(4).map(word).collect(), values)
        };
        (0..20).map(row).collect()
    }
}
