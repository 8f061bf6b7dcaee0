//! The GPU engine's parts: a device, kernels, and the memory that rows travel through.
//!
//! Kernels do not know the ring of slots, and the ring does not know kernels: `codec` joins them.

mod adapters;
mod buffers;
mod caps;
mod context;
mod kernel;
mod pipelines;
mod pool;
mod product;
mod programs;
mod slot;
mod sources;
mod streams;
mod timestamps;
mod wait;
mod walk;

pub(crate) use buffers::{Buffers, Readback};
pub(crate) use caps::Kernels;
pub use caps::{Precision, Shape};
pub use context::Gpu;
pub(crate) use kernel::Program;
pub(crate) use pool::{Lease, Pool, PoolStats};
pub(crate) use programs::Programs;
pub(crate) use slot::{InFlight, ReadView, Slot, SlotKey};
pub(crate) use timestamps::Timestamps;
pub(crate) use wait::Mode;

/// Fields of `Params` in `shaders/shared/params.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Params {
    /// Rows in the chunk.
    pub(crate) rows: u32,
    /// 1 where every row has its own scale, 0 where they share the first.
    pub(crate) scale_stride: u32,
}
