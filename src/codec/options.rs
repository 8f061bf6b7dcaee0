//! Options of a codec, a description of its engine, and counters of its memory.

use std::fmt;

use crate::cpu;
#[cfg(feature = "gpu")]
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Gpu, KernelOptions, Precision, Tiling};

/// Options of [`Codec::with_options`](crate::Codec::with_options).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct CodecOptions {
    /// What runs the codec.
    pub engine: Engine,
    /// The precision of the GPU's kernels; f32 by default.
    #[cfg(feature = "gpu")]
    pub precision: Precision,
    /// How the GPU's kernels divide their matrix multiplications; by default as suits the adapter.
    /// Meant for measurements: it changes the speed, and results by rounding only.
    #[cfg(feature = "gpu")]
    pub tiling: Option<Tiling>,
    /// The most bytes that the buffers of chunks take on a GPU, those for weights not counted, and the most that the rows
    /// of indexes take; by default as much as the GPU has.
    #[cfg(feature = "gpu")]
    pub gpu_memory: Option<u64>,
}

impl CodecOptions {
    /// The same options with another engine.
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// The same options with another precision of the GPU's kernels.
    #[cfg(feature = "gpu")]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The same options with a tiling of the GPU's matrix multiplications.
    #[cfg(feature = "gpu")]
    pub fn with_tiling(mut self, tiling: Tiling) -> Self {
        self.tiling = Some(tiling);
        self
    }

    /// The same options with a budget for the buffers of chunks on a GPU, of all calls together. Where
    /// it has no room for a call's usual chunks, the call takes fewer and smaller ones. The rows of indexes have a
    /// budget of as many bytes. What it has no room for stays in the host's memory: see [`Index`](crate::Index).
    #[cfg(feature = "gpu")]
    pub fn with_gpu_memory(mut self, bytes: u64) -> Self {
        self.gpu_memory = Some(bytes);
        self
    }

    #[cfg(feature = "gpu")]
    pub(super) fn kernels(&self) -> KernelOptions {
        KernelOptions { tiling: self.tiling, precision: self.precision }
    }
}

/// What runs a codec.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Engine {
    /// A real GPU where there is one, else the CPU engine: never a software adapter, which is
    /// several times slower than the CPU engine.
    #[default]
    Auto,
    /// The built-in CPU engine, on all cores.
    Cpu,
    /// This adapter, also a software one.
    #[cfg(feature = "gpu")]
    Gpu(Gpu),
    /// Several adapters, which share the work: the chunks of a batch in turn, and the rows of an
    /// [`Index`](crate::Index) in equal parts. Results are those of one, as far as the adapters compute alike.
    #[cfg(feature = "gpu")]
    Gpus(Vec<Gpu>),
}

#[cfg(feature = "gpu")]
impl Engine {
    /// The GPU of a number or a name, as [`Gpu::find`] takes it, or those of several numbers with commas between them:
    /// `0,1`.
    ///
    /// # Errors
    /// One is not there, or gives no device.
    pub fn find(gpus: &str) -> Result<Self> {
        let numbers: Vec<&str> = gpus.split(',').map(str::trim).collect();
        // A name may have commas.
        if numbers.len() == 1 || numbers.iter().any(|number| number.parse::<usize>().is_err()) {
            return Gpu::find(gpus).map(Self::Gpu);
        }
        Ok(Self::Gpus(numbers.into_iter().map(Gpu::find).collect::<Result<_>>()?))
    }
}

/// What runs a codec, by name. Prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct EngineInfo {
    /// Which of the two engines.
    pub kind: EngineKind,
    /// The adapter's name, or `cpu`. Of several GPUs, this and what follows are of the first.
    pub name: String,
    /// GPUs that share the work; 0 on the CPU engine.
    pub gpus: usize,
    /// The graphics API, or `cpu`.
    pub backend: String,
    /// The adapter's driver and its version; empty for the CPU engine.
    pub driver: String,
    /// Whether the adapter is itself a CPU.
    pub software: bool,
    /// Whether shaders write results straight into memory that the host maps, without a copy after
    /// them.
    pub direct_readback: bool,
    /// Whether matrix multiplications run on the adapter's cooperative matrices. With
    /// `Precision::F32`, these are the multiplications with up to 2,048 inputs.
    pub cooperative_matrices: bool,
    /// Threads that share the CPU's work.
    pub threads: usize,
    /// Why `Engine::Auto` took the CPU engine, where it did.
    pub fallback: Option<String>,
}

/// One of the two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineKind {
    /// Matrix multiplications and the quantiser on the CPU.
    Cpu,
    /// Compute shaders on an adapter.
    Gpu,
}

impl EngineInfo {
    pub(super) fn cpu(fallback: Option<String>) -> Self {
        Self {
            kind: EngineKind::Cpu,
            name: "cpu".into(),
            gpus: 0,
            backend: "cpu".into(),
            driver: String::new(),
            software: false,
            direct_readback: false,
            cooperative_matrices: false,
            threads: cpu::threads(),
            fallback,
        }
    }

    #[cfg(feature = "gpu")]
    pub(super) fn gpus(gpus: &[Gpu], options: KernelOptions) -> Result<Self> {
        let Some(gpu) = gpus.first() else {
            let (field, remedy) = ("the length of Engine::Gpus", "pass one GPU at least");
            return Err(Error::InvalidConfig { field, value: 0, remedy });
        };
        let info = gpu.adapter_info();
        Ok(Self {
            kind: EngineKind::Gpu,
            name: info.name.clone(),
            gpus: gpus.len(),
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            software: gpu.caps().software,
            direct_readback: gpu.caps().direct_readback,
            cooperative_matrices: options.coop_side(gpu.caps()).is_some(),
            threads: cpu::threads(),
            fallback: None,
        })
    }
}

impl fmt::Display for EngineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, gpus, backend, software, threads, .. } = self;
        match self.kind {
            EngineKind::Cpu => write!(f, "{name} ({threads} threads)"),
            EngineKind::Gpu => {
                if *gpus > 1 {
                    write!(f, "{gpus} GPUs, the first ")?;
                }
                let software = if *software { ", software adapter" } else { "" };
                write!(f, "{name} ({backend}{software})")
            }
        }
    }
}

/// Counters of a codec's pool of GPU buffers, which the CPU engine does not have, and of its
/// recoveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Stats {
    /// Chunks that found idle buffers.
    pub pool_hits: u64,
    /// Chunks for which buffers were created.
    pub pool_misses: u64,
    /// Buffers created since the codec was built, without those for its weights.
    pub buffers_created: u64,
    /// Bytes of the buffers in use, mapped views included.
    pub bytes_in_use: u64,
    /// Bytes of idle buffers, cached for the next call.
    pub bytes_idle: u64,
    /// The most bytes there ever were, in use and idle.
    pub bytes_peak: u64,
    /// How often the codec was placed on an engine again, by
    /// [`Codec::recover`](crate::Codec::recover) or [`Codec::recover_on`](crate::Codec::recover_on).
    pub recoveries: u64,
}

#[cfg(feature = "gpu")]
impl Stats {
    /// The counters of two GPUs together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            pool_hits: self.pool_hits + other.pool_hits,
            pool_misses: self.pool_misses + other.pool_misses,
            buffers_created: self.buffers_created + other.buffers_created,
            bytes_in_use: self.bytes_in_use + other.bytes_in_use,
            bytes_idle: self.bytes_idle + other.bytes_idle,
            bytes_peak: self.bytes_peak + other.bytes_peak,
            recoveries: self.recoveries + other.recoveries,
        }
    }
}
