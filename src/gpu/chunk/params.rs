//! Parameters of a dispatch.

/// Fields of `Params` in `shaders/lib/params.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Params {
    /// Rows in the chunk.
    pub(crate) rows: u32,
    /// 1 where every row has a scale of its own, 0 where all rows share the first.
    pub(crate) scale_stride: u32,
}
