//! What the GPU engine is made of: a device, kernels as values, programs, and the memory of chunks.
//!
//! | folder | holds | knows |
//! |---|---|---|
//! | `device` | adapter, device, queue, waiting | nothing of the others |
//! | `kernels` | what a dispatch is: files, constants, bindings, grid | the facts in `device::caps` |
//! | `chunk` | the memory that rows travel through | `device` |
//! | `programs` | a verb's kernels, and the same compiled on a device | all of them |
//! | `search` | rows on a device, and the rounds of a search | all of them |
//!
//! Kernels do not know the ring of chunks, and the ring does not know kernels: `codec` joins them.

mod chunk;
mod device;
mod kernels;
mod programs;
mod search;
#[cfg(test)]
mod tests;

pub(crate) use chunk::{
    Buffers, InFlight, Lease, Params, Pool, PoolStats, ReadView, Readback, RecordedChunk, Scratch,
    SectionWriters, Slot, SlotKey, Timestamps,
};
pub use device::Gpu;
pub(crate) use kernels::KernelOptions;
pub use kernels::{Precision, Tiling};
pub(crate) use programs::{Program, Programs};
pub(crate) use search::{
    MAX_HITS, RecordPool, RecordedQueries, ResidentRows, RowBudget, SearchPool, SearchPrograms,
    Searched, Share, is_possible,
};
