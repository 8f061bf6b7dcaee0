//! Bit codes to values: what decoding and search spend their time on.
//!
//! A window gives one value, and two neighbouring windows share most of their bits. So two values are
//! looked up at once, by the bits of both windows together:
//!
//! ```text
//! window of a pair = bits end_0 - S .. end_1         S + b bits, where a symbol has b of its own
//! table[window]    = (value of symbol 0, value of symbol 1)
//! ```
//!
//! A symbol of two latents is a pair by itself. Neighbouring pairs of one rate make a *run*: their windows
//! begin at equal distances. Eight bytes of the row hold the windows of several pairs:
//!
//! ```text
//! for each run:
//!     repeat:
//!         word = eight bytes from the byte of the next window on, shifted down to the window
//!         for as many pairs as the word has windows of:
//!             values = table[word & mask];  word >>= stride
//! ```
//!
//! 1. A pair costs a shift, a mask, a load and a store. Single windows cost as much each.
//! 2. Tables are shared by all regions, so that they stay in the first cache. Those of a trellis of 256 states
//!    have 4 to 16 KB. Wide pairs have none (`Tables::pairs`).
//! 3. Latents that are in no run are unpacked one by one: those before whose window the trellis begins, and
//!    what is left of an odd number.
//! 4. The row is copied first, so that eight bytes can be read from any of its bytes.

use super::plan::{Plan, Symbol};
use super::rates::Rate;
use super::tables::Pairs;

/// Bits that are in eight bytes from any bit of the first byte on.
const WORD_BITS: u32 = 57;

/// Bytes that are read beyond a row.
const PADDING: usize = 8;

/// Neighbouring pairs of one rate.
#[derive(Clone, Debug)]
struct Run {
    rate: Rate,
    /// The first latent.
    latent: usize,
    pairs: usize,
    /// The first bit of the first window.
    first_bit: u32,
    /// From one window to the next.
    stride: u32,
    /// Windows that are in one word.
    per_word: usize,
    mask: u64,
}

impl Run {
    /// Looks up the values of all pairs, `N` from each word.
    #[inline(always)]
    fn unpack<T: Copy, const N: usize>(
        &self,
        table: &[[T; 2]],
        padded: &[u8],
        pairs: &mut [[T; 2]],
    ) {
        // Copies stay in registers: what is read through `self` is read again after each store.
        let Self { stride, mask, .. } = *self;
        let mut bit = self.first_bit as usize;
        let mut next = |pairs: &mut [[T; 2]]| {
            let bytes = padded[bit / 8..][..8].try_into().expect("eight bytes");
            let mut word = u64::from_le_bytes(bytes) >> (bit % 8);
            for pair in pairs {
                *pair = table[(word & mask) as usize];
                word = word.wrapping_shr(stride);
            }
            bit += N * stride as usize;
        };
        let (blocks, rest) = pairs.as_chunks_mut::<N>();
        blocks.iter_mut().for_each(|block| next(block));
        next(rest);
    }
}

/// How the rows of a plan are unpacked.
#[derive(Clone, Debug)]
pub(super) struct Unpacker {
    runs: Vec<Run>,
    /// Latents that are in no run.
    singles: Vec<usize>,
}

impl Unpacker {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut unpacker = Self { runs: Vec::new(), singles: Vec::new() };
        let mut rest = plan.symbols();
        while let Some(&symbol) = rest.first() {
            let latents = symbol.rate.latents();
            let symbols = 2 / latents;
            if is_pair(plan, rest.get(..symbols)) {
                unpacker.push(plan, symbol);
                rest = &rest[symbols..];
            } else {
                unpacker.singles.extend(symbol.latent..symbol.latent + latents);
                rest = &rest[1..];
            }
        }
        for run in &mut unpacker.runs {
            let free = WORD_BITS - run.mask.count_ones();
            run.per_word = free.checked_div(run.stride).unwrap_or(0) as usize + 1;
        }
        unpacker
    }

    /// Adds a pair to the last run, or begins a run with it.
    fn push(&mut self, plan: &Plan, symbol: Symbol) {
        let Symbol { rate, latent, end } = symbol;
        let first_bit = end - plan.window().bits(rate);
        if let Some(run) = self.runs.last_mut()
            && run.rate == rate
            && run.latent + 2 * run.pairs == latent
        {
            let stride = first_bit - run.first_bit;
            if run.pairs == 1 || stride == run.pairs as u32 * run.stride {
                run.stride = stride / run.pairs as u32;
                run.pairs += 1;
                return;
            }
        }
        let mask = plan.tables().pairs(rate).len() as u64 - 1;
        self.runs.push(Run { rate, latent, pairs: 1, first_bit, stride: 0, per_word: 1, mask });
    }

    /// Writes the entries of tables that a row's bit code gives: its latents, each without its step.
    /// The tables have `entries`, and `all_pairs` of them. `padded` is memory for the row.
    #[inline(always)]
    pub(super) fn unpack<T: Copy>(
        &self,
        plan: &Plan,
        (entries, all_pairs): (&[T], &Pairs<T>),
        packed: &[u8],
        padded: &mut Vec<u8>,
        values: &mut [T],
    ) {
        padded.clear();
        padded.extend_from_slice(packed);
        padded.extend_from_slice(&[0; PADDING]);
        for run in &self.runs {
            let table = &all_pairs[run.rate.number()];
            let (pairs, _) = values[run.latent..][..2 * run.pairs].as_chunks_mut::<2>();
            match run.per_word {
                8.. => run.unpack::<T, 8>(table, padded, pairs),
                4.. => run.unpack::<T, 4>(table, padded, pairs),
                _ => run.unpack::<T, 1>(table, padded, pairs),
            }
        }
        for &latent in &self.singles {
            values[latent] = entries[plan.readers[latent].entry(packed)];
        }
    }
}

/// Whether one symbol of two latents, or two neighbours of one latent each, are looked up together: they
/// have a table, and the first window has all of its bits.
fn is_pair(plan: &Plan, symbols: Option<&[Symbol]>) -> bool {
    let Some(&[first, ref others @ ..]) = symbols else { return false };
    let is_next =
        |next: &Symbol| next.rate == first.rate && next.end == first.end + first.rate.bits();
    others.iter().all(is_next)
        && !plan.tables().pairs(first.rate).is_empty()
        && plan.readers[first.latent].has_all_bits()
}
