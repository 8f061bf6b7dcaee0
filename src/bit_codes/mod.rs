//! Bit codes: the bits of a row's latents, and the values that the bits represent.
//!
//! ```text
//! end_i    = width_0 + ... + width_i            latent i owns the width_i bits before end_i
//! bit k    = bit k % 8 of byte k / 8            of the row's bit code; zero for k < 0
//! window_i = bits end_i - S_i .. end_i          the first bit is the least significant
//! z_i      = step_i * table[width_i][window_i]
//! ```
//!
//! In a scalar quantiser `S_i = width_i`. In a trellis `S` is larger and the same for all latents,
//! so that a value also depends on the bits before its own, and few bits reach `2^S` values. This
//! is trellis-coded quantisation (Marcellin and Fischer, 1990) in its bit-shift form ("QTIP",
//! Tseng et al., 2024). Either way any latent is unpacked by itself.

mod encode;
mod plan;
mod scalar;
#[cfg(all(test, feature = "fit"))]
mod tests;
#[cfg(feature = "fit")]
mod train;
mod trellis;

pub(crate) use plan::{BitPlan, MAX_WIDTH, Window};
#[cfg(feature = "fit")]
pub(crate) use train::{Trainer, allocate};
