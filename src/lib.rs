//! Compresses embedding vectors with a learned linear codec, on any GPU or without one.
//!
//! A [`Model`] is a linear encoder and decoder, [fitted](Model::fit) to your rows in closed form or
//! loaded from a file. A [`Codec`] places it on an engine: compute shaders on a [`Gpu`] where there
//! is one, else the CPU. [`Codes`] are encoded rows: a bit code per row, or a byte per latent
//! and a scale.
//!
//! ```
//! use vecodec::{Codec, Model, ModelConfig};
//!
//! let rows: Vec<Vec<f32>> =
//!     (0..100).map(|i| (0..16).map(|j| ((i * (j % 4 + 1)) as f32).cos()).collect()).collect();
//! let model = Model::fit(&rows.concat(), ModelConfig::int8(16, 4))?;
//! let codec = Codec::new(model)?;
//! let codes = codec.encode(&rows)?;
//! assert_eq!(codes.code_size(), 4 + 4);
//! let (decoded, metrics) = codec.evaluate(&rows)?;
//! assert_eq!(decoded.len(), 100);
//! assert!(metrics.mean_cosine > 0.99);
//! # Ok::<(), vecodec::Error>(())
//! ```
//!
//! # Cargo features
//! | feature | default | adds |
//! |---|---|---|
//! | `gpu` | yes | the GPU engine (wgpu) |
//! | `fit` | yes | [`Model::fit`] |
//! | `files` | yes | safetensors files of models and codes |
//! | `serde` | no | `Serialize` and `Deserialize` of configurations, metrics and reports |
//!
//! [`Codec`] says which verb to take, and what each copies and allocates. [`Model`] says what a code
//! is.

#![cfg_attr(
    not(all(feature = "gpu", feature = "fit", feature = "files")),
    allow(dead_code, reason = "what only a missing feature uses is unused without it")
)]

#[cfg(target_endian = "big")]
compile_error!("files and GPU buffers are little-endian, and are used without conversion");

mod bit_codes;
mod codec;
mod codes;
mod cpu;
#[cfg(feature = "files")]
#[doc(hidden)]
pub mod data;
mod element;
mod error;
mod fingerprint;
#[cfg(feature = "gpu")]
mod gpu;
mod index;
mod linear;
mod memory;
pub mod metrics;
mod mixture;
mod model;
mod plan;
mod quantize;
mod rows;
mod sample;
mod search;
mod simd;
mod tensors;
mod wait;

#[cfg(feature = "gpu")]
pub use codec::{Breakdown, GpuCodes, GpuHits, GpuRows, KernelTimes};
pub use codec::{
    Codec, CodecOptions, Drift, EncodeOptions, EncodeReport, Engine, EngineInfo, EngineKind,
    MappedChunks, MappedRows, MappedStream, Stats,
};
pub use codes::{Codes, Scales};
#[cfg(feature = "files")]
pub use codes::{CodesReader, CodesWriter};
pub use element::Element;
pub use error::{Error, ErrorKind, IndexError, RecordError, Result};
pub use fingerprint::Fingerprint;
#[cfg(feature = "gpu")]
pub use gpu::{Gpu, Precision, Tiling};
#[cfg(feature = "gpu")]
pub use index::RecordedSearch;
pub use index::{Filter, Hits, Index, QueryValues, SearchMode, SearchOptions};
pub use metrics::Metrics;
pub use model::{
    Activation, BitsConfig, Coding, FitFacts, Int8Config, Model, ModelConfig, Objective, Regions,
    RowNorm, Weights,
};
#[cfg(feature = "fit")]
pub use model::{CancelToken, FitOptions, FitReport, FitStage, FitWarning};
pub use search::Metric;
#[cfg(any(feature = "gpu", feature = "files"))]
#[doc(hidden)]
pub use tensors::NewFile;
// The type of `Codec::decode_flat_f16`.
pub use half::f16;
// The types of `Gpu::from_device`: their version is this crate's.
#[cfg(feature = "gpu")]
pub use wgpu;

/// The README's quickstart, compiled.
#[cfg(all(doctest, feature = "gpu", feature = "fit", feature = "files"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
