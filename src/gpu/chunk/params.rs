//! Parameters of a dispatch, and the stamp of a chunk.
//!
//! A driver may report a submission as done that it has killed, as Metal's does after a timeout. A
//! chunk that was read back then would hold the results of an earlier chunk. Each submission therefore
//! carries a number. Where a driver does this (`Caps::stamped`), the device copies the number from the
//! upload to the output after the last kernel, and the host compares it before it reads the results.

use std::ops::Range;

use crate::plan::ALIGNMENT;

/// Fields of `Params` in `shaders/lib/params.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Params {
    /// Rows in the chunk.
    pub(crate) rows: u32,
    /// 1 where every row has a scale of its own, 0 where all rows share the first.
    pub(crate) scale_stride: u32,
}

/// Bytes of a stamp.
pub(super) const STAMP_BYTES: u64 = 4;
/// Where the upload of a chunk holds the stamp: behind the parameters. In the output it is behind the
/// chunk's rows, so that these begin at the buffer's begin, which is aligned to a page.
pub(super) const STAMP: Range<u64> = ALIGNMENT - STAMP_BYTES..ALIGNMENT;
