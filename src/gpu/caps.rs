//! What an adapter can do, and how the kernels are shaped for its class.

use wgpu::{AdapterInfo, Backend, Device, DeviceType, Features};

use crate::plan::Limits;

/// The facts about a device that decisions are made from.
#[derive(Clone, Debug)]
pub(crate) struct Caps {
    pub(crate) limits: Limits,
    /// Whether the adapter is a CPU in disguise.
    pub(crate) software: bool,
    /// Whether shaders write straight into memory the host maps.
    pub(crate) direct_readback: bool,
    /// How matrix products are walked.
    pub(crate) shape: Shape,
    /// Bytes of input or output a chunk aims at.
    pub(crate) chunk_bytes: u64,
    /// Chunks under way at a time.
    pub(crate) slots: usize,
}

/// How the kernels walk a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// In registers alone, without barriers: several times faster on software adapters.
    Registers,
    /// Through workgroup memory: for GPUs.
    Tiled,
}

const NVIDIA: u32 = 0x10de;

impl Caps {
    pub(super) fn new(device: &Device, info: &AdapterInfo) -> Self {
        let limits = device.limits();
        let software = info.device_type == DeviceType::Cpu;
        Self {
            limits: Limits {
                binding_bytes: limits.max_storage_buffer_binding_size,
                buffer_bytes: limits.max_buffer_size,
                groups: limits.max_compute_workgroups_per_dimension,
            },
            software,
            direct_readback: device.features().contains(Features::MAPPABLE_PRIMARY_BUFFERS)
                && direct_readback_wins(info),
            shape: if software { Shape::Registers } else { Shape::Tiled },
            // A software adapter shares the host's caches; a GPU wants long transfers.
            chunk_bytes: if software { 4 << 20 } else { 48 << 20 },
            slots: 3,
        }
    }
}

/// Where a shader's stores into mapped memory are known to beat a copy behind it. Integrated GPUs
/// on Vulkan may place such memory outside the host's caches, which ruins the reading.
fn direct_readback_wins(info: &AdapterInfo) -> bool {
    match (info.device_type, info.backend) {
        (DeviceType::Cpu, _) => true,
        (DeviceType::IntegratedGpu, Backend::Metal | Backend::Dx12) => true,
        (DeviceType::DiscreteGpu, Backend::Vulkan) => info.vendor == NVIDIA,
        _ => false,
    }
}
