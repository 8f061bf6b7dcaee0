//! Rows of latents to bit codes.

use super::plan::{BitPlan, Symbol};
use super::{scalar, search};

impl BitPlan {
    /// Quantises rows of latents `[rows, latents]` into their bit codes, on the calling thread. The
    /// bits before the first symbol are zero.
    pub(crate) fn encode(&self, latents: &[f32], packed_rows: &mut [u8]) {
        let state_bits = self.window().state_bits();
        let mut windows = vec![0; latents.len() / self.latents() * self.symbols.len()];
        scalar::quantize(self, latents, &mut windows);
        search::search(self, state_bits, latents, &mut windows);
        packed_rows.fill(0);
        let rows = windows.chunks_exact(self.symbols.len());
        for (windows, packed) in rows.zip(packed_rows.chunks_exact_mut(self.code_bytes())) {
            // A symbol's own bits are the last, most significant ones of its window.
            let own = |(window, symbol): (&u16, &Symbol)| {
                window >> (self.window().bits(symbol.rate) - symbol.rate.bits())
            };
            self.pack(windows.iter().zip(&self.symbols).map(own), packed);
        }
    }
}
