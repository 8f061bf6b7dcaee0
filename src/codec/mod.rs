//! The face of the library: a model placed on an engine, and the verbs.
//!
//! # How a call runs
//! A batch is checked for its shape, then cut into chunks that fit the adapter (`plan`). On a GPU
//! each chunk takes a slot out of the pool, is written into mapped memory, copied to the device,
//! computed and brought back into mapped memory; up to three chunks are under way at a time
//! (`ring`), so that while one is copied out, the next is on the link and the one after it in the
//! kernel. On the CPU engine blocks of rows are shared among the cores.
//!
//! # Several threads
//! Calls from several threads, on one codec or on clones of it, run side by side, each with slots
//! of its own. Memory is calls x slots x chunk, whatever the number of rows.

mod asynchronous;
mod breakdown;
mod decode;
mod encode;
mod half;
mod mapped;
mod memory;
mod options;
mod ring;
mod transfer;

use std::fmt;
use std::sync::Arc;

pub use breakdown::{Breakdown, KernelTimes};
pub use mapped::{MappedRows, MappedStream};
pub use options::{CodecOptions, Engine, EngineInfo, EngineKind, Stats};

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Kernels};
use crate::model::Model;
use ring::GpuEngine;

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
/// | [`decode`](Codec::decode) | `Vec<Vec<f32>>` | one | a `Vec` a row |
/// | [`encode`](Codec::encode), [`encode_flat`](Codec::encode_flat) | [`Codes`](crate::Codes) | one each way | the result |
///
/// Every verb blocks until its result is there, once a chunk. `decode_into` on the same batch size
/// creates no GPU object after the first call: [`Codec::stats`] shows it.
#[derive(Clone)]
pub struct Codec(Arc<Inner>);

struct Inner {
    model: Model,
    backend: Backend,
    info: EngineInfo,
}

enum Backend {
    Cpu,
    Gpu(Box<GpuEngine>),
}

impl Codec {
    /// Places a model on a real GPU where there is one, else on the CPU engine.
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
        let kernels = options.kernels();
        match options.engine {
            Engine::Cpu => Ok(Self::on_cpu(model, None)),
            Engine::Gpu(gpu) => Self::on_gpu(model, gpu, kernels),
            Engine::Auto => match Gpu::real() {
                Ok(gpu) => Self::on_gpu(model, gpu, kernels),
                Err(reason) => Ok(Self::on_cpu(model, Some(reason.to_string()))),
            },
        }
    }

    fn on_cpu(model: Model, fallback: Option<String>) -> Self {
        let (backend, info) = (Backend::Cpu, EngineInfo::cpu(fallback));
        Self(Arc::new(Inner { model, backend, info }))
    }

    fn on_gpu(model: Model, gpu: Gpu, kernels: Kernels) -> Result<Self> {
        let info = EngineInfo::gpu(&gpu, kernels);
        let backend = Backend::Gpu(Box::new(GpuEngine::new(gpu, &model, kernels)?));
        Ok(Self(Arc::new(Inner { model, backend, info })))
    }

    /// What runs it, by name.
    pub fn engine(&self) -> EngineInfo {
        self.0.info.clone()
    }

    /// The model it was made of.
    pub fn model(&self) -> &Model {
        &self.0.model
    }

    /// Runs every verb once on a row of zeros, so that the first real batch finds pipelines,
    /// threads and drivers ready. Buffers for larger batches are still made when they come.
    ///
    /// # Errors
    /// Loss of the GPU.
    pub fn warm_up(&self) -> Result<()> {
        let row = vec![0.0; self.model().config().dim];
        let codes = self.encode_flat(&row)?;
        self.decode_flat(&codes)?;
        self.decode_flat_f16(&codes)?;
        let latent = self.encode_latent(&row)?;
        self.decode_latent(&latent)?;
        Ok(())
    }

    /// How its pool of GPU buffers fares.
    pub fn stats(&self) -> Stats {
        match &self.0.backend {
            Backend::Cpu => Stats::default(),
            Backend::Gpu(engine) => engine.stats(),
        }
    }

    fn backend(&self) -> &Backend {
        &self.0.backend
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("model", self.model())
            .field("engine", &self.0.info.to_string())
            .finish_non_exhaustive()
    }
}

/// Fails unless the caller's slice has room for exactly these rows.
fn check_output(rows: usize, dim: usize, found: usize) -> Result<()> {
    let expected = rows * dim;
    if expected != found {
        return Err(Error::OutputLength { rows, dim, expected, found });
    }
    Ok(())
}
