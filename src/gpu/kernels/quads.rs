//! Bit codes as a search with few queries reads them: up to four latents in one look-up, as bytes of a word.
//!
//! Neighbouring symbols of one rate share bits of their windows, so that the bits of all their windows are few. Those
//! bits select a word:
//!
//! ```text
//! one or two latents        value = scale (256 high byte + low byte)
//! three or four latents     value = scale byte
//! ```
//!
//! What this rounds is bounded where queries are rounded, too: see `shaders/search/quad_queries.wgsl`.

use super::look_ups::LookUp;
use super::pairs::PairCodes;
use crate::bit_codes::{BitPlan, LatentWindow, Rate, Symbol, Tables, Window};

/// Bytes of a word, and so latents of a look-up, at most.
const BYTES: usize = 4;
/// Look-ups of a step: those that `shaders/search/quad_products.wgsl` makes.
pub(crate) const STEP_LOOK_UPS: usize = 4;
/// The most queries that are multiplied together.
const QUERIES: u64 = 4;
/// Of query scales, margins and products with the centroid.
const QUERY_TERMS_BYTES: u64 = 3 * 16;
/// The largest integer of a value: of one byte, and of two.
const LARGEST: [f64; 2] = [127.0, 32512.0];
/// Bits of a look-up, and words of all tables, at most: a step has 16 bits for a mask, and for where a table begins.
const MAX_BITS: u32 = 16;
const MAX_WORDS: usize = 1 << 16;

/// What a query is multiplied by for a byte of a look-up: `Byte` in `shaders/search/quad_queries.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct QuadByte {
    /// The query's value, by its number in the order of the pairs. [`Self::NONE`] where the byte has no latent.
    value: u32,
    scale: f32,
    /// What the latent's value is off by, at most.
    error: f32,
}

impl QuadByte {
    const NONE: u32 = u32::MAX;
    const PADDING: Self = Self { value: Self::NONE, scale: 0.0, error: 0.0 };
}

/// The steps of a model's regions, and the tables that the regions share.
pub(crate) struct QuadCodes {
    pub(crate) steps_per_region: usize,
    /// `[regions, steps]`, as `quad_products.wgsl` reads them.
    pub(crate) steps: Vec<[u32; 2]>,
    /// A multiple of four.
    pub(crate) tables: Vec<u32>,
    /// `[regions, steps, look-ups, bytes]`.
    pub(crate) bytes: Vec<QuadByte>,
}

impl QuadCodes {
    /// With as many symbols in a look-up as `workgroup_bytes` have room for. None if they have room for none.
    /// Rows have `code_words` words.
    pub(crate) fn new(
        plans: &[&BitPlan],
        pairs: &PairCodes,
        code_words: u32,
        workgroup_bytes: u64,
    ) -> Option<Self> {
        let symbols =
            |rate| plans.iter().flat_map(|p| p.symbols()).filter(|s| s.rate == rate).count();
        let window = plans.first()?.window();
        // Rates that latents have, and whether more symbols of them may fit.
        let all = Rate::all().map(|rate| (Together { rate, symbols: 1 }, symbols(rate)));
        let mut together: Vec<(Together, usize)> = all.filter(|(_, count)| *count > 0).collect();
        let made = |together: &[(Together, usize)]| {
            let together: Vec<Together> = together.iter().map(|(group, _)| *group).collect();
            let found = Self::with(plans, pairs, code_words, &together);
            (found.workgroup_bytes() <= workgroup_bytes && found.tables.len() <= MAX_WORDS)
                .then_some(found)
        };
        let mut best = made(&together)?;
        let mut full = vec![false; together.len()];
        loop {
            // The rate that saves most look-ups for the words that its table takes.
            let saved = |number: &usize| {
                let (group, count) = together[*number];
                let more = group.more(window).expect("others are left out");
                let look_ups = |group: Together| count as f64 / group.symbols as f64;
                let words = |group: Together| f64::from(1u32 << group.bits(window));
                (look_ups(group) - look_ups(more)) / (words(more) - words(group))
            };
            let open =
                |number: &usize| !full[*number] && together[*number].0.more(window).is_some();
            let next =
                (0..together.len()).filter(open).max_by(|a, b| saved(a).total_cmp(&saved(b)));
            let Some(next) = next else { return Some(best) };
            let mut larger = together.clone();
            larger[next].0.symbols += 1;
            match made(&larger) {
                Some(found) => (best, together) = (found, larger),
                None => full[next] = true,
            }
        }
    }

    fn with(plans: &[&BitPlan], pairs: &PairCodes, code_words: u32, together: &[Together]) -> Self {
        let mut tables = Vec::new();
        let kinds: Vec<Kind> =
            together.iter().map(|t| Kind::new(*t, plans[0].tables(), &mut tables)).collect();
        let of_region = |plan: &&BitPlan| in_steps(look_ups(plan, &kinds), code_words);
        let regions: Vec<Vec<Vec<LookUp<BYTES>>>> = plans.iter().map(of_region).collect();
        let steps_per_region = regions.iter().map(Vec::len).max().unwrap_or(0);
        // Kernels read four words at a time.
        tables.resize(tables.len().next_multiple_of(4), 0);
        let (mut steps, mut bytes) = (Vec::new(), Vec::new());
        for (region, of_region) in regions.iter().enumerate() {
            let values = pairs.values_of_latents(region);
            for (number, step) in of_region.iter().enumerate() {
                let following = of_region.get(number + 1);
                steps.push(words(step, following.is_none_or(|next| word(step) != word(next))));
                for look_up in step {
                    let kind = kinds.iter().find(|kind| kind.start == look_up.table);
                    bytes.extend(kind.map_or([QuadByte::PADDING; BYTES], |kind| {
                        kind.bytes(look_up.latents.map(|latent| Some(values[latent?])))
                    }));
                }
                bytes.resize(steps.len() * STEP_LOOK_UPS * BYTES, QuadByte::PADDING);
            }
            steps.resize((region + 1) * steps_per_region, [0; 2]);
            bytes.resize(steps.len() * STEP_LOOK_UPS * BYTES, QuadByte::PADDING);
        }
        Self { steps_per_region, steps, tables, bytes }
    }

    /// Workgroup memory of tables, steps and four queries.
    pub(crate) fn workgroup_bytes(&self) -> u64 {
        let of_query = 2 * 4 * STEP_LOOK_UPS as u64;
        let of_steps = (8 + QUERIES * of_query) * self.steps_per_region as u64;
        4 * self.tables.len() as u64 + of_steps + QUERY_TERMS_BYTES
    }
}

/// So many neighbouring symbols of a rate in a look-up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Together {
    rate: Rate,
    symbols: usize,
}

impl Together {
    fn latents(self) -> usize {
        self.symbols * self.rate.latents()
    }

    fn bits(self, window: Window) -> u32 {
        window.bits(self.rate) + (self.symbols as u32 - 1) * self.rate.bits()
    }

    /// With one symbol more, if a word has bytes for it.
    fn more(self, window: Window) -> Option<Self> {
        let more = Self { symbols: self.symbols + 1, ..self };
        (more.latents() <= BYTES && more.bits(window) <= MAX_BITS).then_some(more)
    }
}

/// How look-ups of one rate are made.
struct Kind {
    together: Together,
    /// Where the table begins.
    start: u32,
    scale: f32,
    error: f32,
}

impl Kind {
    /// Adds its table.
    fn new(together: Together, tables: &Tables, words: &mut Vec<u32>) -> Self {
        let Together { rate, symbols } = together;
        let has_two_bytes = 2 * together.latents() <= BYTES;
        let largest = LARGEST[usize::from(has_two_bytes)];
        let magnitude = f64::from(tables.magnitude(rate));
        let scale = if magnitude > 0.0 { (magnitude / largest) as f32 } else { 1.0 };
        let start = words.len() as u32;
        let window = tables.window().bits(rate);
        let mut error = 0.0f64;
        for bits in 0..1u32 << together.bits(tables.window()) {
            let mut bytes = [0; BYTES];
            for (symbol, latent) in
                (0..symbols).flat_map(|s| (0..rate.latents()).map(move |l| (s, l)))
            {
                let own = bits >> (symbol as u32 * rate.bits()) & ((1 << window) - 1);
                let value = f64::from(tables.latent_table(rate, latent)[own as usize]);
                let rounded = (value / f64::from(scale)).round().clamp(-largest, largest);
                error = error.max((value - rounded * f64::from(scale)).abs());
                let (number, rounded) = (symbol * rate.latents() + latent, rounded as i32);
                match has_two_bytes {
                    true => {
                        let high = (rounded + 128) >> 8;
                        bytes[2 * number] = high as u8;
                        bytes[2 * number + 1] = (rounded - 256 * high) as u8;
                    }
                    false => bytes[number] = rounded as u8,
                }
            }
            words.push(u32::from_le_bytes(bytes));
        }
        // Rounded up.
        Self { together, start, scale, error: (1.0001 * error) as f32 }
    }

    /// What queries are multiplied by for a look-up of latents that have these values.
    fn bytes(&self, values: [Option<u32>; BYTES]) -> [QuadByte; BYTES] {
        let Self { scale, error, .. } = *self;
        let byte = |value: Option<u32>, scale, error| match value {
            Some(value) => QuadByte { value, scale, error },
            None => QuadByte::PADDING,
        };
        match 2 * self.together.latents() <= BYTES {
            // The error is the latent's, and counts once.
            true => [0, 1, 2, 3].map(|number| match number % 2 {
                0 => byte(values[number / 2], 256.0 * scale, error),
                _ => byte(values[number / 2], scale, 0.0),
            }),
            false => values.map(|value| byte(value, scale, error)),
        }
    }
}

/// All look-ups of a region. One at the end of a rate's symbols has bits of the next ones, and no latents for them.
fn look_ups(plan: &BitPlan, kinds: &[Kind]) -> Vec<LookUp<BYTES>> {
    let windows: Vec<LatentWindow> = plan.latent_windows().collect();
    let mut look_ups = Vec::new();
    let mut rest = plan.symbols();
    while let [first, ..] = rest {
        let kind = kinds.iter().find(|kind| kind.together.rate == first.rate);
        let kind = kind.expect("there is one of each rate that latents have");
        let Together { rate, symbols } = kind.together;
        let is_neighbour = |(number, symbol): &(u32, &Symbol)| {
            symbol.rate == rate && symbol.end == first.end + number * rate.bits()
        };
        let found = (0..).zip(rest).take(symbols).take_while(is_neighbour).count();
        let mut latents = [None; BYTES];
        let all = first.latent..first.latent + found * rate.latents();
        latents.iter_mut().zip(all).for_each(|(to, latent)| *to = Some(latent));
        let more_bits = (symbols as u32 - 1) * rate.bits();
        look_ups.push(LookUp::new(&windows[first.latent], more_bits, kind.start, latents));
        rest = &rest[found..];
    }
    look_ups
}

/// Divides look-ups into steps of one to four, in the order of the words in which they begin. Each word has a step.
fn in_steps(mut rest: Vec<LookUp<BYTES>>, code_words: u32) -> Vec<Vec<LookUp<BYTES>>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let len = LookUp::in_one_step(&rest).min(STEP_LOOK_UPS);
        let after = rest.split_off(len);
        steps.push(std::mem::replace(&mut rest, after));
    }
    for number in 0..code_words {
        if steps.iter().all(|step| word(step) != number) {
            // A look-up without latents, of no bits.
            let (start, table) = (u32::BITS * number, u32::MAX);
            steps.push(vec![LookUp { start, zeros: 0, bits: 0, table, latents: [None; BYTES] }]);
        }
    }
    steps.sort_by_key(|step| word(step));
    steps
}

/// The word in which a step begins.
fn word(step: &[LookUp<BYTES>]) -> u32 {
    step[0].start / u32::BITS
}

fn words(step: &[LookUp<BYTES>], is_last_of_word: bool) -> [u32; 2] {
    let first = &step[0];
    let stride = step.get(1).map_or(0, |second| second.distance_from(first));
    let (shift, mask) = (first.start % u32::BITS, (1u32 << first.bits) - 1);
    let table = if first.bits == 0 { 0 } else { first.table };
    [shift | stride << 8 | first.zeros << 16 | u32::from(is_last_of_word) << 31, table | mask << 16]
}

#[cfg(test)]
mod tests {
    use super::super::look_ups::tests::{plans, rows};
    use super::*;

    /// The values of a row as the shader reads them, and what each is off by at most, in the order of the pairs.
    fn values(codes: &QuadCodes, region: usize, words: &[u32], values: usize) -> Vec<(f64, f64)> {
        let mut found = vec![(0.0, f64::NAN); values];
        let steps = &codes.steps[region * codes.steps_per_region..][..codes.steps_per_region];
        let of_step = STEP_LOOK_UPS * BYTES;
        let bytes = &codes.bytes[region * codes.steps_per_region * of_step..];
        let mut number = 0;
        for word in 0..words.len() {
            let next = words[(word + 1).min(words.len() - 1)];
            loop {
                let [x, y] = steps[number];
                let (shift, stride, zeros) = (x & 31, x >> 8 & 0xff, x >> 16 & 0x7f);
                let (table, mask) = (y & 0xffff, y >> 16);
                let both = u64::from(words[word]) | u64::from(next) << 32;
                let mut bits = ((both >> shift) as u32) << zeros;
                for look_up in 0..STEP_LOOK_UPS {
                    let quad = codes.tables[(table + (bits & mask)) as usize].to_le_bytes();
                    for (number_of_byte, byte) in quad.into_iter().enumerate() {
                        let weight = bytes[number * of_step + look_up * BYTES + number_of_byte];
                        if weight.value != QuadByte::NONE {
                            let (value, error) = &mut found[weight.value as usize];
                            *value += f64::from(weight.scale) * f64::from(byte as i8);
                            // The low byte of a value comes second.
                            *error = if error.is_nan() { f64::from(weight.error) } else { *error };
                        }
                    }
                    bits = bits.unbounded_shr(stride);
                }
                number += 1;
                if x >> 31 == 1 {
                    break;
                }
            }
        }
        found
    }

    #[test]
    fn look_ups_give_the_values_of_all_latents_within_their_errors() {
        let mut kinds = 0;
        for plans in plans() {
            let plans: Vec<&BitPlan> = plans.iter().collect();
            let pairs = PairCodes::new(&plans, 11);
            let code_words = plans[0].code_bytes().div_ceil(4) as u32;
            let mut before = usize::MAX;
            for kilobytes in [2, 8, 32, 64, 256] {
                let bytes = kilobytes << 10;
                let Some(codes) = QuadCodes::new(&plans, &pairs, code_words, bytes) else {
                    continue;
                };
                assert!(codes.workgroup_bytes() <= bytes);
                assert!(codes.steps_per_region <= before, "more memory, and more steps");
                before = codes.steps_per_region;
                kinds += 1;
                for (region, plan) in plans.iter().enumerate() {
                    let numbers = pairs.values_of_latents(region);
                    for (mut row, expected) in rows(plan) {
                        row.resize(code_words as usize, 0);
                        let found = values(&codes, region, &row, pairs.latents[region].len());
                        for (latent, expected) in expected.iter().enumerate() {
                            let (value, error) = found[numbers[latent] as usize];
                            let off = (value - f64::from(*expected)).abs();
                            let largest = f64::from(plan.tables().largest());
                            assert!(off <= error + 1e-6 * largest, "{value}, {expected}, {error}");
                            assert!(error <= 0.004 * largest, "{error}");
                        }
                    }
                }
            }
        }
        assert!(kinds > 15, "{kinds}");
    }

    /// A latent alone, or two, have 16 bits each.
    #[test]
    fn few_latents_of_a_look_up_are_rounded_to_two_bytes() {
        let rate = Rate::whole(3);
        for [own, others] in plans().iter().filter(|p| p[0].window() == Window::Last(8)) {
            let plans = [own, others];
            let kind = |symbols| Kind::new(Together { rate, symbols }, own.tables(), &mut vec![]);
            let step = own.tables().magnitude(rate) / 32512.0;
            assert!(kind(1).error <= 0.5001 * step && kind(2).error <= 0.5001 * step);
            assert!(kind(3).error > 50.0 * step);
            let pairs = PairCodes::new(&plans, 11);
            assert!(QuadCodes::new(&plans, &pairs, 9, 1 << 10).is_none(), "a table has 1 KB");
        }
    }
}
