//! What an adapter can do, and how the kernels are shaped for its class.

use wgpu::{Adapter, AdapterInfo, Backend, CooperativeScalarType, Device, DeviceType, Features};

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
    pub(super) shape: Shape,
    /// Rows and columns of its matrix units, where it has some.
    pub(super) matrix: Option<u32>,
    /// Bytes of input or output a chunk aims at.
    pub(crate) chunk_bytes: ChunkBytes,
    /// Chunks under way at a time.
    pub(crate) slots: usize,
}

/// The size of a chunk by what the host does with its results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkBytes {
    /// Copies them: what is under way should fit the host's caches.
    pub(crate) copied: u64,
    /// Next to nothing: long transfers are faster.
    pub(crate) large: u64,
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

/// What a codec's kernels calculate with, beyond the adapter's own choice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kernels {
    pub(crate) shape: Option<Shape>,
    pub(crate) precision: Precision,
}

/// What a GPU's kernels multiply. Sums are f32 either way, and so is the CPU engine's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// f32, or as exact as it: on matrix units of 16 x 16, which are several times faster, every
    /// factor is the sum of two f16, up to 2,048 inputs. Weights below 2^-16 of a layer's largest lose
    /// digits there.
    #[default]
    F32,
    /// Weights, rows and latents rounded to f16, on matrix units where the adapter has them; where
    /// it has none, weights alone. Codes are exact in f16. Errors are of the order of 2^-11 of a
    /// row's norm; values of rows beyond 65,504 overflow, and below 6e-5 lose digits.
    F16,
}

/// Workgroup memory of a tile on matrix units of 16 x 16.
pub(super) const MATRIX_TILE_BYTES: u32 = 20 << 10;

/// A workgroup's part of a product: threads, blocks of 4 rows x 4 outputs a thread, and vec4s of
/// inputs a step (the overrides of `shaders/shared/tiled.wgsl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) across: u32,
    pub(super) down: u32,
    pub(super) rows4: u32,
    pub(super) columns4: u32,
    pub(super) step4: u32,
}

const NVIDIA: u32 = 0x10de;

impl Caps {
    pub(super) fn new(device: &Device, info: &AdapterInfo, matrix: Option<u32>) -> Self {
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
            matrix,
            chunk_bytes: match software {
                // It shares the host's caches.
                true => ChunkBytes { copied: 4 << 20, large: 4 << 20 },
                // Measured on a H200 at 32, 48, 64 and 96 MiB: copies fall from 14.9 to 11.2 M
                // rows/s, views rise from 15.1 to 16.1.
                false => ChunkBytes { copied: 32 << 20, large: 96 << 20 },
            },
            slots: 3,
        }
    }

    /// Rows and columns of the matrix units that these kernels run on, if on any.
    pub(crate) fn on_matrix_units(&self, kernels: Kernels) -> Option<u32> {
        // Apple's multiply f16 no faster than f32, which two f16 in its place would need.
        let fast = |side: &u32| kernels.precision == Precision::F16 || *side == 16;
        self.matrix.filter(|side| kernels.shape.is_none() && fast(side))
    }
}

/// The tile of a product of so many outputs. Each fits the 16 KiB of workgroup memory and the 256
/// threads that every device has.
pub(super) fn tile(outputs: usize) -> Tile {
    // Measured on a H200, million rows a second at 768 -> 128: a thread's 8 x 4 values decode 196,
    // its 4 x 8 encode 168 and its 8 x 8 decode 176.
    let tall = Tile { across: 16, down: 16, rows4: 2, columns4: 1, step4: 4 };
    match outputs {
        // Wide enough for the whole latent.
        65..=128 => Tile { rows4: 1, columns4: 2, ..tall },
        _ => tall,
    }
}

/// Rows and columns of the adapter's matrix units, where the kernels' assumptions hold: f16 summed
/// in f32, in subgroups of 32.
pub(super) fn matrix_units(adapter: &Adapter) -> Option<u32> {
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
        && adapter.limits().max_compute_workgroup_storage_size >= MATRIX_TILE_BYTES;
    match info.backend {
        Backend::Vulkan if wide && square(16) => Some(16),
        // Apple's, whose subgroups are of 32 whatever wgpu says.
        Backend::Metal if square(8) => Some(8),
        _ => None,
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
