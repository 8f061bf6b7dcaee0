//! Rates: how many bits a symbol of a bit code has, and how many latents the symbol gives.

/// The most bits of one latent.
pub(crate) const MAX_WIDTH: usize = 12;
/// The most bits of one latent in a scalar code, and in files of version 2.
pub(crate) const MAX_SCALAR_WIDTH: usize = 8;
/// How many rates there are.
pub(crate) const RATE_COUNT: usize = MAX_WIDTH + 2;

/// The rate of a symbol. One symbol gives one latent, or two neighbouring latents for one or three
/// bits.
///
/// Rates order by their bits per latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Rate {
    /// Bits per latent, times two.
    half_bits: u8,
}

impl Rate {
    /// One bit for two latents.
    pub(crate) const HALF: Self = Self { half_bits: 1 };
    /// Three bits for two latents.
    pub(crate) const ONE_AND_HALF: Self = Self { half_bits: 3 };

    /// The rate of a latent of this many bits, from 1 to [`MAX_WIDTH`].
    pub(crate) const fn whole(bits: u8) -> Self {
        Self { half_bits: 2 * bits }
    }

    /// The rate of so many bits more, at most the largest.
    pub(crate) fn plus(self, bits: u8) -> Self {
        Self::whole((self.half_bits.div_ceil(2) + bits).min(MAX_WIDTH as u8))
    }

    /// All rates in the order of files: the largest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let whole = |bits: std::ops::RangeInclusive<u8>| bits.rev().map(Self::whole);
        whole(2..=MAX_WIDTH as u8)
            .chain([Self::ONE_AND_HALF])
            .chain(whole(1..=1))
            .chain([Self::HALF])
    }

    /// The number of the rate in the order of [`all`](Self::all).
    pub(crate) fn number(self) -> usize {
        match self {
            Self::ONE_AND_HALF => MAX_WIDTH - 1,
            Self::HALF => RATE_COUNT - 1,
            Self { half_bits: 2 } => MAX_WIDTH,
            Self { half_bits } => MAX_WIDTH - usize::from(half_bits) / 2,
        }
    }

    /// Bits of a symbol.
    pub(crate) fn bits(self) -> u32 {
        match self.latents() {
            1 => u32::from(self.half_bits) / 2,
            _ => self.half_bits.into(),
        }
    }

    /// Latents of a symbol: one or two.
    pub(crate) fn latents(self) -> usize {
        if self.half_bits % 2 == 1 { 2 } else { 1 }
    }

    /// Bits per latent.
    pub(crate) fn bits_per_latent(self) -> f32 {
        f32::from(self.half_bits) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_descend_and_are_numbered_in_order() {
        let all: Vec<Rate> = Rate::all().collect();
        assert_eq!(all.len(), RATE_COUNT);
        assert!(all.is_sorted_by(|a, b| a > b));
        for (number, rate) in all.iter().enumerate() {
            assert_eq!(rate.number(), number);
            assert_eq!(rate.bits() as f32, rate.bits_per_latent() * rate.latents() as f32);
        }
        let bits: Vec<f32> = all.iter().map(|rate| rate.bits_per_latent()).collect();
        assert_eq!(bits[8..], [4.0, 3.0, 2.0, 1.5, 1.0, 0.5]);
    }
}
