//! The lowest layer of the GPU engine: an adapter, its device and queue, what it can do, and waiting
//! for it.
//!
//! Imports run from the bottom up: `signal` <- `device_queue` <- `poller` <- `gpu` <- `open`. `adapters`,
//! `caps` and `pipeline_cache` know none of these.

mod adapters;
mod caps;
mod device_queue;
mod gpu;
mod open;
mod pipeline_cache;
mod poller;
mod signal;

#[cfg(test)]
pub(crate) use caps::COOP_THREADS;
#[cfg(test)]
pub(crate) use caps::ChunkBytes;
pub(crate) use caps::{COOP_TILE_BYTES, Caps};
pub(crate) use device_queue::{DeviceQueue, ViewGuard};
pub use gpu::Gpu;
pub(crate) use gpu::Home;
pub(crate) use signal::Signal;
