//! The public API: a model placed on an engine, and the verbs.
//!
//! # How a call runs
//! A batch is checked for its shape. `engine`, the one place that knows the CPU from the GPU, cuts
//! it into `chunks`, and the verb puts each chunk where its result goes. On a GPU a chunk takes a
//! slot out of the pool. Its input is written into mapped memory, copied to the device and computed,
//! and the results are copied back into mapped memory. Up to three chunks are in flight at a time
//! (`ring`): while one is copied out, the next is on the PCIe link and the one after it in the
//! kernel. On the CPU engine the cores share blocks of rows. A blocking call computes on the caller's
//! thread, too; a task leaves all computing to the `pool`.
//!
//! # Several threads
//! Calls from several threads, on one codec or on clones of it, run side by side, each with slots
//! of its own. Memory is calls x slots x chunk, whatever the number of rows.
//!
//! # When a device is lost
//! A call holds the engine that it began on until it ends. `recover` places the model on a device
//! that replaces the lost one, and later calls of all clones begin there.

mod asynchronous;
mod blocks;
mod check;
mod chunks;
mod decode;
mod encode;
mod engine;
mod evaluate;
#[cfg(feature = "gpu")]
mod gpu_buffers;
#[cfg(feature = "gpu")]
mod gpu_engine;
#[cfg(feature = "gpu")]
mod gpu_search;
mod huge_pages;
mod latents;
mod loaded_batch;
mod mapped;
mod mapped_rows;
#[cfg(feature = "gpu")]
mod measure;
mod options;
mod pair_chunks;
mod pool;
#[cfg(feature = "gpu")]
mod record;
#[cfg(feature = "gpu")]
mod record_search;
mod recover;
mod reencode;
mod report;
#[cfg(feature = "gpu")]
mod ring;
mod search;
mod transfer;
#[cfg(feature = "gpu")]
mod upload;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use half::f16;

pub use check::Drift;
#[cfg(feature = "gpu")]
pub use gpu_buffers::{GpuCodes, GpuHits, GpuRows};
pub(crate) use loaded_batch::LoadedBatch;
pub use mapped::{MappedChunks, MappedStream};
pub use mapped_rows::MappedRows;
#[cfg(feature = "gpu")]
pub use measure::{Breakdown, KernelTimes};
pub use options::{CodecOptions, Engine, EngineInfo, EngineKind, Stats};
pub(crate) use pool::on_pool;
pub use report::{EncodeOptions, EncodeReport};

use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;
use crate::model::Model;
use engine::Backend;
#[cfg(feature = "gpu")]
use gpu_engine::GpuEngine;

/// A [`Model`] placed on an engine, ready to encode and decode.
///
/// Building one compiles pipelines and uploads the weights; calls are cheap. Clones share
/// everything, and may be used from any thread.
///
/// # Which verb
/// | verb | result | copies on a GPU | allocates |
/// |---|---|---|---|
/// | [`decode_mapped`](Codec::decode_mapped) | views of mapped memory | none | nothing |
/// | [`decode_into`](Codec::decode_into) | the caller's slice | one | nothing |
/// | [`decode_flat`](Codec::decode_flat) | `Vec<f32>` | one | the result |
/// | [`decode_flat_f16`](Codec::decode_flat_f16) | `Vec<f16>` | one | the result |
/// | [`decode`](Codec::decode) | `Vec<Vec<f32>>` | one | a `Vec` per row |
/// | [`encode`](Codec::encode), [`encode_flat`](Codec::encode_flat) | [`Codes`](crate::Codes) | one each way | the result |
/// | `record_encode`, `record_decode`, in a GPU's command encoder | the caller's buffers | none | a small buffer, bind groups |
///
/// Every verb blocks until its result is there, once per chunk. `decode_into` on the same batch size
/// creates no GPU object after the first call: [`Codec::stats`] shows it.
#[derive(Clone)]
pub struct Codec(Arc<Inner>);

struct Inner {
    model: Model,
    /// As the caller gave them, for a recovery.
    options: CodecOptions,
    placed: RwLock<Placed>,
    recoveries: AtomicU64,
}

/// An engine with the model on it, and its description.
struct Placed {
    backend: Backend,
    info: EngineInfo,
}

impl Codec {
    /// Places a model on a real GPU where there is one, else on the CPU engine. Codecs made by
    /// `new` share one device for as long as one of them lives.
    ///
    /// # Errors
    /// The GPU's limits cannot hold a row of this model.
    pub fn new(model: Model) -> Result<Self> {
        Self::with_options(model, CodecOptions::default())
    }

    /// Places a model on the engine of the caller's choice.
    ///
    /// # Errors
    /// The GPU's limits cannot hold a row of this model, its memory is full, or it is lost.
    pub fn with_options(model: Model, options: CodecOptions) -> Result<Self> {
        let placed = RwLock::new(Placed::new(&model, &options, &Backend::Cpu)?);
        Ok(Self(Arc::new(Inner { model, options, placed, recoveries: AtomicU64::new(0) })))
    }

    /// What runs the codec, by name.
    pub fn engine(&self) -> EngineInfo {
        self.placed().info.clone()
    }

    /// The device that the codec runs on, or the first of several; none on the CPU engine. After a recovery it is
    /// another.
    #[cfg(feature = "gpu")]
    pub fn gpu(&self) -> Option<Gpu> {
        self.backend().gpus().first().map(|engine| engine.gpu.clone())
    }

    /// The codec's model.
    pub fn model(&self) -> &Model {
        &self.0.model
    }

    /// Runs every verb once on a row of zeros, so that the first real batch finds pipelines,
    /// threads and drivers ready. The first larger batch still creates its buffers.
    ///
    /// # Errors
    /// Loss of the GPU.
    pub fn warm_up(&self) -> Result<()> {
        let row = vec![0.0f32; self.model().config().dim];
        let _same_codes = self.encode_flat(&vec![f16::ZERO; row.len()])?;
        let codes = self.encode_flat(&row)?;
        self.decode_flat(&codes)?;
        self.decode_flat_f16(&codes)?;
        let latent = self.encode_latent(&row)?;
        self.decode_latent(&latent)?;
        Ok(())
    }

    /// Counters of the pool of GPU buffers, and of recoveries.
    pub fn stats(&self) -> Stats {
        let recoveries = self.0.recoveries.load(Ordering::Relaxed);
        Stats { recoveries, ..self.backend().stats() }
    }

    /// The engine as it is now. A call stays on it even if the codec recovers meanwhile.
    fn backend(&self) -> Backend {
        self.placed().backend.clone()
    }

    fn placed(&self) -> RwLockReadGuard<'_, Placed> {
        // It is assigned as a whole: under a poisoned lock it is still consistent.
        self.0.placed.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Placed {
    /// The engine of some options. GPUs of the present engine stay as they are.
    #[cfg_attr(
        not(feature = "gpu"),
        expect(unused_variables, reason = "a GPU alone needs the model")
    )]
    fn new(model: &Model, options: &CodecOptions, present: &Backend) -> Result<Self> {
        match &options.engine {
            Engine::Cpu => Ok(Self::on_cpu(None)),
            #[cfg(feature = "gpu")]
            Engine::Gpu(gpu) => Self::on_gpus(model, options, std::slice::from_ref(gpu), present),
            #[cfg(feature = "gpu")]
            Engine::Gpus(gpus) => Self::on_gpus(model, options, gpus, present),
            #[cfg(feature = "gpu")]
            Engine::Auto => match Gpu::automatic() {
                Ok(gpu) => Self::on_gpus(model, options, &[gpu], present),
                Err(reason) => Ok(Self::on_cpu(Some(reason.to_string()))),
            },
            #[cfg(not(feature = "gpu"))]
            Engine::Auto => {
                let reason = "this build has no GPU engine: enable the feature gpu";
                Ok(Self::on_cpu(Some(reason.to_owned())))
            }
        }
    }

    fn on_cpu(fallback: Option<String>) -> Self {
        Self { backend: Backend::Cpu, info: EngineInfo::cpu(fallback) }
    }

    /// The engines of these GPUs. Those of the present engine that are not lost stay.
    #[cfg(feature = "gpu")]
    fn on_gpus(
        model: &Model,
        options: &CodecOptions,
        gpus: &[Gpu],
        present: &Backend,
    ) -> Result<Self> {
        let (kernels, budget) = (options.kernels(), options.gpu_memory.unwrap_or(u64::MAX));
        let info = EngineInfo::gpus(gpus, kernels)?;
        let same = |gpu: &Gpu| present.gpus().iter().find(|engine| engine.gpu.is_same(gpu));
        let engine = |gpu: &Gpu| match same(gpu).filter(|_| !gpu.is_lost()) {
            Some(engine) => Ok(engine.clone()),
            None => GpuEngine::new(gpu.clone(), model, kernels, budget).map(Arc::new),
        };
        let engines = gpus.iter().map(engine).collect::<Result<Vec<_>>>()?;
        Ok(Self { backend: Backend::Gpu(engines.into()), info })
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("model", self.model())
            .field("engine", &self.engine().to_string())
            .finish_non_exhaustive()
    }
}

/// Fails unless the caller's slice has room for exactly these rows.
fn check_output(rows: usize, dim: usize, found: usize) -> Result<()> {
    let expected = rows.saturating_mul(dim);
    if expected != found {
        return Err(Error::OutputLength { rows, dim, expected, found });
    }
    Ok(())
}
