//! The memory of a chunk of rows, and its states.

mod buffers;
mod params;
mod pool;
mod recorded;
mod slot;
mod timestamps;

pub(crate) use buffers::{Buffers, ChunkMemory, Readback, binding_of};
pub(crate) use params::Params;
pub(crate) use pool::{Lease, Pool, PoolStats, Pooled};
pub(crate) use recorded::{RecordedChunk, Scratch};
pub(crate) use slot::{InFlight, ReadView, SectionWriters, Slot, SlotKey};
pub(crate) use timestamps::Timestamps;
