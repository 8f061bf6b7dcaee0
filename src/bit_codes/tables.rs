//! The tables of bit codes: one for each rate, shared by all regions of a model.

use std::sync::OnceLock;

use super::rates::{MAX_SCALAR_WIDTH, RATE_COUNT, Rate};
use crate::error::{Error, Result};

/// The most bits of a trellis' window: 4,096 states.
pub(crate) const MAX_STATE_BITS: u32 = 12;

/// The most bits of the windows of two latents that are looked up together.
const MAX_PAIR_BITS: u32 = 12;

/// The largest magnitude of rounded entries. Sums of products with 16 bits have 32 bits.
pub(crate) const LARGEST_ROUNDED: i16 = 2047;

/// The bits that a value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Window {
    /// The symbol's own bits.
    Own,
    /// This many bits, up to and with the symbol's own. A symbol of more bits has its own bits alone.
    Last(u32),
}

impl Window {
    /// Bits of every window of a trellis, 0 for a scalar quantiser.
    pub(crate) fn state_bits(self) -> u32 {
        match self {
            Self::Own => 0,
            Self::Last(bits) => bits,
        }
    }

    /// Bits of the window of a symbol of this rate.
    pub(crate) fn bits(self, rate: Rate) -> u32 {
        self.state_bits().max(rate.bits())
    }

    /// Whether a symbol of this rate is a step of the trellis.
    pub(crate) fn is_trellis(self, rate: Rate) -> bool {
        rate.bits() <= self.state_bits()
    }

    /// Whether symbols of this rate exist.
    ///
    /// Scalar codes have no symbols of two latents, and none of over eight bits, because no latent
    /// crosses a byte. Three bits for two latents need eight states.
    pub(crate) fn allows(self, rate: Rate) -> bool {
        match self {
            Self::Own => rate.latents() == 1 && rate.bits() as usize <= MAX_SCALAR_WIDTH,
            Self::Last(bits) => rate.latents() == 1 || rate.bits() <= bits,
        }
    }
}

/// A table for each rate that has one.
///
/// The table of a rate has an entry for each value of the window. The table of a symbol of two
/// latents has the first latent's entries, then the second latent's.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    window: Window,
    /// All tables, the largest rate first.
    entries: Vec<f32>,
    /// Where each table begins, and the end of the last one.
    starts: [usize; RATE_COUNT + 1],
    /// The largest magnitude of each table.
    magnitudes: [f32; RATE_COUNT],
    /// Derived when rows are first decoded on the CPU.
    pairs: OnceLock<Pairs<f32>>,
    /// Derived when rows are first multiplied in integers.
    rounded: OnceLock<Rounded>,
}

/// The values of two neighbouring latents by the number of their rate.
pub(super) type Pairs<T> = [Vec<[T; 2]>; RATE_COUNT];

/// Entries rounded to integers, in steps of [`Tables::step`].
#[derive(Clone, Debug)]
pub(super) struct Rounded {
    pub(super) entries: Vec<i16>,
    pub(super) pairs: Pairs<i16>,
}

impl Tables {
    /// Checks the tables, which are given by the number of their rate. A rate without a table has an
    /// empty one.
    pub(crate) fn new(window: Window, tables: &[Vec<f32>; RATE_COUNT]) -> Result<Self> {
        if let Window::Last(bits) = window
            && !(1..=MAX_STATE_BITS).contains(&bits)
        {
            let (what, max) = ("a trellis' window", MAX_STATE_BITS as usize);
            return Err(Error::BitPlanBits { what, max, found: bits as usize });
        }
        let (mut entries, mut starts) = (Vec::new(), [0; RATE_COUNT + 1]);
        let mut magnitudes = [0.0f32; RATE_COUNT];
        for (rate, table) in Rate::all().zip(tables) {
            let expected = rate.latents() << window.bits(rate);
            if !table.is_empty() && (table.len() != expected || !window.allows(rate)) {
                let (what, found) = ("entries in a table", table.len());
                return Err(Error::BitPlanLength { what, expected, found });
            }
            if let Some(index) = table.iter().position(|v| !v.is_finite()) {
                let tensor = "bit plan table";
                return Err(Error::NonFiniteWeight { tensor, index, value: table[index] });
            }
            entries.extend_from_slice(table);
            starts[rate.number() + 1] = entries.len();
            magnitudes[rate.number()] = table.iter().fold(0.0, |max, v| max.max(v.abs()));
        }
        Ok(Self {
            window,
            entries,
            starts,
            magnitudes,
            pairs: OnceLock::new(),
            rounded: OnceLock::new(),
        })
    }

    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// The table of a rate, empty if there is none.
    pub(crate) fn table(&self, rate: Rate) -> &[f32] {
        let number = rate.number();
        &self.entries[self.starts[number]..self.starts[number + 1]]
    }

    /// The table of one latent of a symbol of this rate: the first or the second.
    pub(crate) fn latent_table(&self, rate: Rate, latent: usize) -> &[f32] {
        let entries = 1 << self.window.bits(rate);
        &self.table(rate)[latent * entries..][..entries]
    }

    /// The largest magnitude in the table of a rate.
    pub(crate) fn magnitude(&self, rate: Rate) -> f32 {
        self.magnitudes[rate.number()]
    }

    /// The largest magnitude in all tables.
    #[cfg(feature = "gpu")]
    pub(crate) fn largest(&self) -> f32 {
        self.magnitudes.iter().copied().fold(0.0, f32::max)
    }

    /// All tables, one after the other.
    pub(crate) fn entries(&self) -> &[f32] {
        &self.entries
    }

    /// The values of two neighbouring latents of this rate, by the bits of both windows together. Empty if
    /// the rate has no table, or if its table would exceed 32 KB.
    pub(crate) fn pairs(&self, rate: Rate) -> &[[f32; 2]] {
        &self.all_pairs()[rate.number()]
    }

    /// The same of all rates.
    #[inline(always)]
    pub(super) fn all_pairs(&self) -> &Pairs<f32> {
        self.pairs.get_or_init(|| self.new_pairs(&self.entries))
    }

    fn new_pairs<T: Copy>(&self, entries: &[T]) -> Pairs<T> {
        let mut all: Pairs<T> = Default::default();
        for rate in Rate::all().filter(|rate| !self.table(*rate).is_empty()) {
            // Two symbols of a latent each, or one symbol of two.
            let shift = if rate.latents() == 1 { rate.bits() } else { 0 };
            let bits = self.window.bits(rate) + shift;
            if bits > MAX_PAIR_BITS {
                continue;
            }
            let of_latent = |latent| &entries[self.start(rate, latent)..][..1 << (bits - shift)];
            let (first, second) = (of_latent(0), of_latent(rate.latents() - 1));
            let pair = |pair: usize| [first[pair & (first.len() - 1)], second[pair >> shift]];
            all[rate.number()] = (0..1 << bits).map(pair).collect();
        }
        all
    }

    /// All tables in steps.
    #[inline(always)]
    pub(super) fn rounded(&self) -> &Rounded {
        self.rounded.get_or_init(|| {
            let mut entries = Vec::with_capacity(self.entries.len());
            for rate in Rate::all() {
                let step = self.step(rate);
                let round = |entry: &f32| match step {
                    0.0 => 0,
                    step => (f64::from(*entry) / step).round() as i16,
                };
                entries.extend(self.table(rate).iter().map(round));
            }
            let pairs = self.new_pairs(&entries);
            Rounded { entries, pairs }
        })
    }

    /// The step of the rounded entries of a rate, of which the largest is [`LARGEST_ROUNDED`].
    pub(crate) fn step(&self, rate: Rate) -> f64 {
        f64::from(self.magnitude(rate)) / f64::from(LARGEST_ROUNDED)
    }

    /// Where the table of a latent of a symbol begins among [`entries`](Self::entries).
    pub(crate) fn start(&self, rate: Rate, latent: usize) -> usize {
        self.starts[rate.number()] + (latent << self.window.bits(rate))
    }

    /// The tables by the number of their rate.
    #[cfg(feature = "fit")]
    pub(super) fn to_vecs(&self) -> [Vec<f32>; RATE_COUNT] {
        std::array::from_fn(|n| self.entries[self.starts[n]..self.starts[n + 1]].to_vec())
    }

    /// Whether f16 holds every entry exactly, so that one f16 serves as the left operand of a GEMM.
    pub(crate) fn are_f16(&self) -> bool {
        self.entries.iter().all(|v| half::f16::from_f32(*v).to_f32() == *v)
    }
}

impl PartialEq for Tables {
    fn eq(&self, other: &Self) -> bool {
        self.window == other.window && self.starts == other.starts && self.entries == other.entries
    }
}
