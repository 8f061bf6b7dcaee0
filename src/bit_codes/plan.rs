//! Which bits of a row belong to which latent, and what they mean.

use std::sync::Arc;

use super::rates::Rate;
use super::tables::{Tables, Window};
use crate::error::{Error, Result};

/// A row is clipped when a latent is larger than the largest value of its table by this factor, and than
/// [`LEAST_CLIPPED`].
///
/// Of real embeddings that were not fitted on, one in ten to twenty has a latent beyond twice the value,
/// and one in five thousand beyond four times. Rows that someone forgot to normalise have nearly all.
const CLIPPING: f32 = 4.0;
/// Steps, which are about the standard deviations of latents. Tables of one or two levels end before the
/// first two deviations.
const LEAST_CLIPPED: f32 = 8.0;
/// The same as a share of the limit of the latent that varies most. Latents that hardly vary hold little
/// but rounding, which may be of any size beside their deviations.
const LEAST_CLIPPED_SHARE: f32 = 1e-4;

/// How symbols are laid out in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One after the other.
    Packed,
    /// One after the other, except that a symbol that would cross a byte begins at the next byte.
    Bytes,
}

impl Layout {
    /// The layout of codes of format 3: no latent of a scalar code crosses a byte.
    pub(crate) fn of(window: Window) -> Self {
        match window {
            Window::Own => Self::Bytes,
            Window::Last(_) => Self::Packed,
        }
    }
}

/// The symbols of a row's bit code: what turns latents into bits and back.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) tables: Arc<Tables>,
    /// The factor of each latent's table.
    pub(super) steps: Vec<f32>,
    /// The magnitude of each latent beyond which a row counts as clipped.
    limits: Vec<f32>,
    pub(super) symbols: Vec<Symbol>,
    layout: Layout,
    /// The first bit of the first symbol.
    first_bit: u32,
    /// The first bit of the trellis. Windows read zeros before it.
    trellis_start: u32,
    code_bytes: usize,
    /// How each latent is read.
    pub(super) readers: Vec<Reader>,
}

/// A symbol: some bits of a row, and the one or two latents that the bits give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) rate: Rate,
    /// The number of the first latent.
    pub(crate) latent: usize,
    /// The end of the symbol's bits in the row.
    pub(crate) end: u32,
}

/// The window of a latent: `bits` bits from bit `start` of the row on, and as many zeros before them as
/// are `missing`. Its table begins at entry `table` of all tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatentWindow {
    pub(crate) start: u32,
    pub(crate) bits: u32,
    pub(crate) missing: u32,
    pub(crate) table: u32,
}

/// How one latent is read: its window's bits out of four bytes, then its table's entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reader {
    first_byte: u32,
    shift: u32,
    mask: u32,
    /// Bits of the window before the trellis' begin. They are zero, and the lowest.
    missing: u32,
    /// Where its table begins among the entries.
    table: u32,
    step: f32,
}

impl Reader {
    fn new(end: u32, bits: u32, first: u32, table: u32, step: f32) -> Self {
        let start = end.saturating_sub(bits).max(first);
        let mask = (1 << (end - start)) - 1;
        let missing = bits - (end - start);
        Self { first_byte: start / 8, shift: start % 8, mask, missing, table, step }
    }

    /// Whether no bit of the window lies before the trellis.
    pub(super) fn has_all_bits(&self) -> bool {
        self.missing == 0
    }

    /// The index of the latent's value among the entries of all tables.
    #[inline(always)]
    pub(super) fn entry(&self, packed: &[u8]) -> usize {
        self.table as usize + self.window(packed)
    }

    /// The window's number.
    #[inline(always)]
    fn window(&self, packed: &[u8]) -> usize {
        let first = self.first_byte as usize;
        // A window of 12 bits touches three bytes at most.
        let loaded = match packed.get(first..first + 4) {
            Some(bytes) => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            None => {
                let byte = |at: usize| packed.get(at).map_or(0, |byte| u32::from(*byte));
                byte(first) | byte(first + 1) << 8 | byte(first + 2) << 16
            }
        };
        (((loaded >> self.shift) & self.mask) << self.missing) as usize
    }
}

impl Plan {
    /// Checks and completes a plan: the rate of each symbol in order, and the step of each latent.
    /// The first symbol's bits begin at bit `first_bit`. A row has `code_bytes` bytes, or as many as
    /// its symbols need.
    pub(crate) fn new(
        tables: Arc<Tables>,
        layout: Layout,
        rates: &[Rate],
        steps: Vec<f32>,
        first_bit: u32,
        code_bytes: Option<usize>,
    ) -> Result<Self> {
        let bad_length =
            |what, expected, found| Err(Error::BitPlanLength { what, expected, found });
        let window = tables.window();
        let (mut symbols, mut readers, mut limits) = (Vec::new(), Vec::new(), Vec::new());
        let (mut end, mut trellis_start) = (first_bit, first_bit);
        let mut last_wide = 0;
        for (number, &rate) in rates.iter().enumerate() {
            if tables.table(rate).is_empty() {
                let expected = rate.latents() << window.bits(rate);
                return bad_length("entries in a table", expected, 0);
            }
            let bits = rate.bits();
            if layout == Layout::Bytes && end % 8 + bits > 8 {
                end = end.next_multiple_of(8);
            }
            end += bits;
            if !window.is_trellis(rate) {
                (trellis_start, last_wide) = (end, number);
            }
            symbols.push(Symbol { rate, latent: readers.len(), end });
            let first = if window.is_trellis(rate) { trellis_start } else { end - bits };
            for latent in 0..rate.latents() {
                let Some(&step) = steps.get(readers.len()) else {
                    return bad_length("steps", readers.len() + 1, steps.len());
                };
                let table = tables.start(rate, latent) as u32;
                readers.push(Reader::new(end, window.bits(rate), first, table, step));
                let limit = (CLIPPING * tables.magnitude(rate)).max(LEAST_CLIPPED) * step.abs();
                limits.push(limit.min(f32::MAX));
            }
        }
        if steps.len() != readers.len() || steps.is_empty() {
            return bad_length("steps", readers.len().max(1), steps.len());
        }
        if window != Window::Own && symbols[..last_wide].iter().any(|s| window.is_trellis(s.rate)) {
            let max = window.state_bits() as usize;
            let found = symbols[last_wide].rate.bits() as usize;
            return Err(Error::BitPlanBits { what: "a symbol behind the trellis", max, found });
        }
        if let Some(index) = steps.iter().position(|v| !v.is_finite()) {
            let tensor = "bit plan steps";
            return Err(Error::NonFiniteWeight { tensor, index, value: steps[index] });
        }
        let largest = limits.iter().copied().fold(0.0, f32::max);
        limits.iter_mut().for_each(|limit| *limit = limit.max(LEAST_CLIPPED_SHARE * largest));
        let needed = end.div_ceil(8) as usize;
        let code_bytes = code_bytes.unwrap_or(needed);
        if needed > code_bytes {
            return bad_length("bytes per row", code_bytes, needed);
        }
        Ok(Self {
            tables,
            steps,
            limits,
            symbols,
            layout,
            first_bit,
            trellis_start,
            code_bytes,
            readers,
        })
    }

    /// The same symbols with other tables and steps.
    #[cfg(feature = "fit")]
    pub(super) fn with_tables(&self, tables: Arc<Tables>, steps: Vec<f32>) -> Result<Self> {
        let rates: Vec<Rate> = self.symbols.iter().map(|symbol| symbol.rate).collect();
        Self::new(tables, self.layout, &rates, steps, self.first_bit, Some(self.code_bytes))
    }

    pub(crate) fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    pub(crate) fn window(&self) -> Window {
        self.tables.window()
    }

    /// Whether no latent crosses a byte.
    pub(crate) fn has_bytes(&self) -> bool {
        self.layout == Layout::Bytes
    }

    pub(crate) fn steps(&self) -> &[f32] {
        &self.steps
    }

    /// The magnitude of each latent beyond which a row counts as clipped.
    pub(crate) fn limits(&self) -> &[f32] {
        &self.limits
    }

    /// The rows of latents `[rows, latents]` that are clipped.
    pub(crate) fn clipped_rows(&self, latents: &[f32]) -> impl Iterator<Item = usize> {
        let is_clipped = |z: &[f32]| {
            // Without an early end, so that it takes several latents at a time.
            z.iter().zip(&self.limits).fold(false, |any, (z, limit)| any | (z.abs() > *limit))
        };
        let rows = latents.chunks_exact(self.latents()).enumerate();
        rows.filter(move |(_, z)| is_clipped(z)).map(|(row, _)| row)
    }

    pub(crate) fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    pub(crate) fn latents(&self) -> usize {
        self.steps.len()
    }

    /// The rate of each latent.
    pub(crate) fn latent_rates(&self) -> impl Iterator<Item = Rate> {
        self.symbols.iter().flat_map(|s| std::iter::repeat_n(s.rate, s.rate.latents()))
    }

    /// How the window of each latent is read.
    pub(crate) fn latent_windows(&self) -> impl Iterator<Item = LatentWindow> {
        self.readers.iter().map(|reader| LatentWindow {
            start: 8 * reader.first_byte + reader.shift,
            bits: reader.mask.count_ones(),
            missing: reader.missing,
            table: reader.table,
        })
    }

    /// A group of the trellis takes every so many of its states at this symbol: more than 1 while bits
    /// before the trellis are missing from the states.
    pub(crate) fn stride(&self, symbol: usize) -> u32 {
        let Symbol { rate, end, .. } = self.symbols[symbol];
        let read_bits = end - rate.bits() - self.trellis_start;
        1 << self.window().state_bits().saturating_sub(read_bits).min(rate.bits())
    }

    /// The last state of a path is one of every so many.
    pub(crate) fn last_stride(&self) -> u32 {
        let read_bits = self.symbols.last().map_or(0, |s| s.end.saturating_sub(self.trellis_start));
        1 << self.window().state_bits().saturating_sub(read_bits)
    }

    /// Bits of each latent, where every symbol has one latent.
    pub(crate) fn symbol_bits(&self) -> Vec<u8> {
        self.symbols.iter().map(|symbol| symbol.rate.bits() as u8).collect()
    }

    /// Bytes of a row's bit code.
    pub(crate) fn code_bytes(&self) -> usize {
        self.code_bytes
    }
}

/// Sets the bits of a row that are zero from bit `start` on to up to 24 bits.
#[inline(always)]
pub(super) fn set_bits(packed: &mut [u8], start: u32, bits: u32) {
    let bytes = (bits << (start % 8)).to_le_bytes();
    for (byte, bits) in packed[(start / 8) as usize..].iter_mut().zip(bytes) {
        *byte |= bits;
    }
}

impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        self.tables == other.tables
            && self.steps == other.steps
            && self.symbols == other.symbols
            && self.code_bytes == other.code_bytes
    }
}
