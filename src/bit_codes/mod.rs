//! Bit codes: the bits of a row's latents, and the values that the bits represent.
//!
//! ```text
//! bit k     = bit k % 8 of byte k / 8        of the row's bit code
//! symbol s  = the bits of rate_s before end_s: they give one latent, or two neighbouring ones
//! window_s  = bits end_s - S_s .. end_s      the first bit is the least significant
//! z_i       = step_i * table[rate_s][window_s]
//! ```
//!
//! In a scalar quantiser a window is the symbol's own bits. In a trellis all windows have the same
//! number of bits, so that a value also depends on the bits before its own, and few bits reach `2^S`
//! values. This is trellis-coded quantisation (Marcellin and Fischer, 1990) in its bit-shift form
//! ("QTIP", Tseng et al., 2024). Either way any latent is unpacked by itself.

#[cfg(feature = "fit")]
mod allocate;
mod costs;
mod encode;
#[cfg(feature = "fit")]
mod gaussian;
mod plan;
mod rates;
mod scalar;
mod search;
mod tables;
#[cfg(all(test, feature = "fit"))]
mod tests;
#[cfg(feature = "fit")]
mod train;
mod unpack;

#[cfg(feature = "fit")]
pub(crate) use allocate::{Distortions, allocate, byte_order, usual_distortions};
#[cfg(feature = "gpu")]
pub(crate) use costs::{cost_scale, is_narrow, level_range, table_scale};
pub(crate) use encode::{BitPlan, PaddedRow};
pub(crate) use plan::LatentWindow;
pub(crate) use plan::Layout;
#[cfg(feature = "gpu")]
pub(crate) use plan::Symbol;
pub(crate) use rates::{MAX_SCALAR_WIDTH, RATE_COUNT, Rate};
pub(crate) use tables::{LARGEST_ROUNDED, Tables, Window};
#[cfg(feature = "fit")]
pub(crate) use train::{Check, Trainer};
