//! Rows of latents to bit codes.

use super::plan::{BitPlan, Window};
use super::{scalar, trellis};

impl BitPlan {
    /// Quantises rows of latents into their bit codes, on the calling thread.
    pub(crate) fn encode(&self, latents: &[f32], packed_rows: &mut [u8]) {
        match self.window {
            Window::Own => scalar::encode(self, latents, packed_rows),
            Window::Last(bits) => {
                let mut windows = vec![0; latents.len()];
                trellis::search(self, bits, latents, &mut windows);
                let rows = windows.chunks_exact(self.latents());
                for (windows, packed) in rows.zip(packed_rows.chunks_exact_mut(self.code_bytes())) {
                    // A latent's own bits are the last, most significant ones of its window.
                    let own = |(window, width): (&u16, &u8)| window >> (bits - u32::from(*width));
                    self.pack(windows.iter().zip(&self.bits_per_latent).map(own), packed);
                }
            }
        }
    }
}
