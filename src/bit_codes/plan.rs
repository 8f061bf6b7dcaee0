//! Which bits of a row belong to which latent, and what they mean.

use crate::error::{Error, Result};

/// The most bits of one latent.
pub(crate) const MAX_WIDTH: usize = 8;
/// The most bits of a trellis' window: 4,096 states.
pub(crate) const MAX_STATE_BITS: u32 = 12;

/// The bits that a latent's value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Window {
    /// The latent's own bits.
    Own,
    /// This many bits, up to and with the latent's own.
    Last(u32),
}

/// Widths, steps and tables: what turns latents into bits and back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BitPlan {
    pub(super) window: Window,
    pub(super) bits_per_latent: Vec<u8>,
    pub(super) steps: Vec<f32>,
    /// A table for each width. It is empty for a width that no latent has.
    pub(super) tables: Vec<Vec<f32>>,
    /// Where each latent's bits end.
    ends: Vec<u32>,
    /// How each latent is read, and all tables one after the other.
    pub(super) readers: Vec<Reader>,
    entries: Vec<f32>,
}

/// How one latent is read: its window's bits out of four bytes, then its table's entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reader {
    first_byte: u32,
    shift: u32,
    mask: u32,
    /// Bits of the window before the bit code's begin. They are zero, and the lowest.
    missing: u32,
    /// Where its table begins among the entries.
    table: u32,
    step: f32,
}

impl Reader {
    fn new(end: u32, bits: u32, table: u32, step: f32) -> Self {
        let start = end.saturating_sub(bits);
        let mask = (1 << (end - start)) - 1;
        let missing = bits - (end - start);
        Self { first_byte: start / 8, shift: start % 8, mask, missing, table, step }
    }

    /// The window's number.
    #[inline(always)]
    pub(super) fn window(&self, packed: &[u8]) -> usize {
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

impl BitPlan {
    /// Checks and completes a plan. `tables[w]` serves the latents of width `w`.
    pub(crate) fn new(
        window: Window,
        bits_per_latent: Vec<u8>,
        steps: Vec<f32>,
        tables: Vec<Vec<f32>>,
    ) -> Result<Self> {
        let bad_length =
            |what, expected, found| Err(Error::BitPlanLength { what, expected, found });
        let bad_bits = |what, max, found| Err(Error::BitPlanBits { what, max, found });
        if let Window::Last(bits) = window
            && !(1..=MAX_STATE_BITS).contains(&bits)
        {
            return bad_bits("a trellis' window", MAX_STATE_BITS as usize, bits as usize);
        }
        let widest = window.widest();
        if steps.len() != bits_per_latent.len() {
            return bad_length("steps", bits_per_latent.len(), steps.len());
        }
        if let Some(&width) =
            bits_per_latent.iter().find(|w| !(1..=widest).contains(&usize::from(**w)))
        {
            return bad_bits("a latent", widest, width.into());
        }
        for &width in &bits_per_latent {
            let expected = 1 << window.bits(width);
            let found = tables.get(usize::from(width)).map_or(0, Vec::len);
            if found != expected {
                return bad_length("entries in a table", expected, found);
            }
        }
        for (tensor, values) in std::iter::once(("bit plan steps", &steps))
            .chain(tables.iter().map(|t| ("bit plan table", t)))
        {
            if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::NonFiniteWeight { tensor, index, value: values[index] });
            }
        }
        let ends = bits_per_latent.iter().scan(0, |end, width| {
            *end += u32::from(*width);
            Some(*end)
        });
        let ends: Vec<u32> = ends.collect();
        let starts: Vec<u32> = tables
            .iter()
            .scan(0, |end, table| {
                let start = *end;
                *end += table.len() as u32;
                Some(start)
            })
            .collect();
        let reader = |((&end, &width), &step): ((&u32, &u8), &f32)| {
            Reader::new(end, window.bits(width), starts[usize::from(width)], step)
        };
        let readers = ends.iter().zip(&bits_per_latent).zip(&steps).map(reader).collect();
        let entries = tables.concat();
        Ok(Self { window, bits_per_latent, steps, tables, ends, readers, entries })
    }

    pub(crate) fn window(&self) -> Window {
        self.window
    }

    pub(crate) fn bits_per_latent(&self) -> &[u8] {
        &self.bits_per_latent
    }

    pub(crate) fn steps(&self) -> &[f32] {
        &self.steps
    }

    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The table of a width. It is empty if no latent has this width.
    pub(crate) fn table(&self, width: u8) -> &[f32] {
        self.tables.get(usize::from(width)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn latents(&self) -> usize {
        self.bits_per_latent.len()
    }

    /// Bytes of a row's bit code.
    pub(crate) fn code_bytes(&self) -> usize {
        self.ends.last().map_or(0, |end| end.div_ceil(8) as usize)
    }

    /// Packs each latent's own bits.
    pub(super) fn pack(&self, codes: impl Iterator<Item = u16>, packed: &mut [u8]) {
        let (mut pending_bits, mut count) = (0u32, 0);
        let mut bytes = packed.iter_mut();
        for (code, width) in codes.zip(&self.bits_per_latent) {
            pending_bits |= u32::from(code) << count;
            count += u32::from(*width);
            while count >= 8 {
                if let Some(byte) = bytes.next() {
                    *byte = pending_bits as u8;
                }
                pending_bits >>= 8;
                count -= 8;
            }
        }
        if let Some(byte) = bytes.next() {
            *byte = pending_bits as u8;
        }
    }

    /// The latents of one row's bit code.
    #[inline(always)]
    pub(crate) fn decode(&self, packed: &[u8], latents: &mut [f32]) {
        for (z, reader) in latents.iter_mut().zip(&self.readers) {
            *z = reader.step * self.entries[reader.table as usize + reader.window(packed)];
        }
    }
}

impl Window {
    /// Bits of every window of a trellis, 0 for a scalar quantiser.
    pub(crate) fn state_bits(self) -> u32 {
        match self {
            Self::Own => 0,
            Self::Last(bits) => bits,
        }
    }

    /// The most bits of a latent.
    pub(super) fn widest(self) -> usize {
        match self {
            Self::Own => MAX_WIDTH,
            Self::Last(bits) => MAX_WIDTH.min(bits as usize),
        }
    }

    /// Bits of the window of a latent of this width.
    pub(crate) fn bits(self, width: u8) -> u32 {
        match self {
            Self::Own => width.into(),
            Self::Last(bits) => bits,
        }
    }
}
