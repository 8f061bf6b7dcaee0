//! What an adapter can do: facts that decisions are made from, and no decision.

use wgpu::{Adapter, AdapterInfo, Backend, CooperativeScalarType, Device, DeviceType, Features};

use crate::plan::Limits;

/// Facts about a device.
#[derive(Clone, Debug)]
pub(crate) struct Caps {
    pub(crate) limits: Limits,
    /// Whether the adapter runs on the CPU.
    pub(crate) software: bool,
    /// Whether shaders write straight into memory that the host maps.
    pub(crate) direct_readback: bool,
    /// Whether kernels can work on buffers in the host's memory.
    pub(crate) host_storage: bool,
    /// Whether a chunk's last step is proved by a stamp: see `gpu::chunk::params`.
    pub(crate) stamped: bool,
    /// Rows and columns of its cooperative matrices, where it has some that the kernels can use.
    pub(crate) coop_side: Option<u32>,
    /// Lanes of a subgroup, where shaders may use subgroups and all have as many.
    pub(crate) subgroup: Option<u32>,
    /// Bytes of workgroup memory.
    pub(crate) workgroup_bytes: u64,
    /// Threads of a workgroup, at most.
    pub(crate) workgroup_threads: u32,
    /// Iterations after which a thread's loops end, whatever their conditions say.
    pub(crate) max_loop_iterations: Option<u64>,
    /// Bytes of input or output that a chunk aims at.
    pub(crate) chunk_bytes: ChunkBytes,
    /// Chunks in flight at a time.
    pub(crate) slots: usize,
}

/// The size of a chunk by what the host does with its results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkBytes {
    /// The host copies them: what is in flight should fit its caches.
    pub(crate) copied: u64,
    /// The host does next to nothing: long transfers are faster.
    pub(crate) large: u64,
}

/// Workgroup memory that kernels on cooperative matrices of 16 x 16 need at most.
pub(crate) const COOP_TILE_BYTES: u32 = 20 << 10;

/// Threads of a workgroup that they need at most.
pub(crate) const COOP_THREADS: u32 = 512;

const NVIDIA: u32 = 0x10de;

impl Caps {
    pub(super) fn new(device: &Device, info: &AdapterInfo, coop_side: Option<u32>) -> Self {
        let limits = device.limits();
        let software = info.device_type == DeviceType::Cpu;
        let host_storage = device.features().contains(Features::MAPPABLE_PRIMARY_BUFFERS);
        Self {
            limits: Limits {
                binding_bytes: limits.max_storage_buffer_binding_size,
                buffer_bytes: limits.max_buffer_size,
                groups: limits.max_compute_workgroups_per_dimension,
            },
            software,
            direct_readback: host_storage && direct_readback_wins(info),
            host_storage,
            // Metal's driver is the one known to report work as done that it has killed (wgpu issue
            // 9545). Elsewhere it would cost 4 % of `decode_mapped` at 20,000 rows (H100). A software
            // adapter has the stamp for the sake of tests.
            stamped: software || info.backend == Backend::Metal,
            coop_side,
            subgroup: (device.features().contains(Features::SUBGROUP)
                && info.subgroup_min_size == info.subgroup_max_size)
                .then_some(info.subgroup_min_size),
            workgroup_threads: limits.max_compute_invocations_per_workgroup,
            workgroup_bytes: limits.max_compute_workgroup_storage_size.into(),
            // Mesa's software adapter silently ends a thread's loops, all counted together, after
            // 65,535 iterations: a longer sum would be wrong.
            max_loop_iterations: software.then_some(65_000),
            chunk_bytes: match software {
                // It shares the host's caches.
                true => ChunkBytes { copied: 4 << 20, large: 4 << 20 },
                // Measured on an H200 at 32, 48, 64 and 96 MiB: copies fall from 14.9 to 11.2 M
                // rows/s, views rise from 15.1 to 16.1.
                false => ChunkBytes { copied: 32 << 20, large: 96 << 20 },
            },
            slots: 3,
        }
    }
}

/// Rows and columns of the adapter's cooperative matrices, where the kernels' assumptions hold: f16
/// operands, an f32 accumulator, subgroups of 32.
pub(super) fn cooperative_matrices(adapter: &Adapter) -> Option<u32> {
    let info = adapter.get_info();
    let needed =
        Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16 | Features::SUBGROUP;
    if !adapter.features().contains(needed) {
        return None;
    }
    let offered = adapter.cooperative_matrix_properties();
    let square = |side: u32| {
        offered.iter().any(|shape| {
            [shape.m_size, shape.n_size, shape.k_size] == [side; 3]
                && shape.ab_type == CooperativeScalarType::F16
                && shape.cr_type == CooperativeScalarType::F32
        })
    };
    let wide = (info.subgroup_min_size, info.subgroup_max_size) == (32, 32)
        && adapter.limits().max_compute_invocations_per_workgroup >= COOP_THREADS
        && adapter.limits().max_compute_workgroup_storage_size >= COOP_TILE_BYTES;
    let has_barriers = adapter.features().contains(Features::SUBGROUP_BARRIER);
    match info.backend {
        Backend::Vulkan if wide && has_barriers && square(16) => Some(16),
        // Apple's subgroups have 32 threads, whatever wgpu says.
        Backend::Metal if square(8) => Some(8),
        _ => None,
    }
}

/// Whether a shader's stores into mapped memory are known to beat a copy after it. Integrated GPUs
/// on Vulkan may place such memory outside the host's caches, which ruins reading.
fn direct_readback_wins(info: &AdapterInfo) -> bool {
    match (info.device_type, info.backend) {
        (DeviceType::Cpu, _) => true,
        (DeviceType::IntegratedGpu, Backend::Metal | Backend::Dx12) => true,
        (DeviceType::DiscreteGpu, Backend::Vulkan) => info.vendor == NVIDIA,
        _ => false,
    }
}
