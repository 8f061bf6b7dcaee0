//! The one place that knows the CPU engine from the GPU engine. A verb asks for chunks and decides
//! only where they go.

#[cfg(feature = "gpu")]
use std::sync::Arc;

use super::blocks::Use;
use super::chunks::Chunks;
#[cfg(feature = "gpu")]
use super::gpu_engine::GpuEngine;
#[cfg(feature = "gpu")]
use super::gpu_search::{self, GpuSearches};
use super::loaded_batch::LoadedBatch;
use super::options::Stats;
use super::pair_chunks::PairChunks;
#[cfg(feature = "gpu")]
use super::ring::Ring;
#[cfg(feature = "gpu")]
use super::transfer::{copy, copy_unpadded, values};
#[cfg(feature = "gpu")]
use super::upload::{write_codes, write_latents, write_rows};
use crate::codes::Codes;
use crate::cpu;
use crate::element::Element;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::Program;
use crate::memory;
use crate::model::Model;
#[cfg(feature = "gpu")]
use crate::plan::Section;
use crate::rows::Rows;
use crate::search::{Candidate, Metric, Queries, Records, ScaledQueries, View};
use crate::wait::WaitMode;

/// What runs a codec. A clone shares the engine, and what is in flight keeps it alive.
#[derive(Clone)]
pub(super) enum Backend {
    Cpu,
    /// One GPU or several, which share the work.
    #[cfg(feature = "gpu")]
    Gpu(Arc<[Arc<GpuEngine>]>),
}

impl Backend {
    /// The rows `[rows, dim]` that codes decode to.
    pub(super) fn decode<'a, T: Element>(
        &self,
        model: &'a Model,
        codes: &'a Codes,
        mode: WaitMode,
        purpose: Use,
    ) -> Result<Chunks<'a, T>> {
        let (rows, dim) = (codes.row_count(), model.config().dim);
        match self {
            Self::Cpu if mode == WaitMode::Async => Ok(Chunks::on_pool(rows, dim, move |range| {
                let (model, codes) = (model.clone(), codes.clone());
                move || {
                    let mut out = memory::zeroed("the decoded rows", &[range.len(), dim])?;
                    cpu::decode(&model, &codes, range, &mut out);
                    Ok(out)
                }
            })),
            Self::Cpu => Ok(Chunks::on_cpu(rows, dim, purpose, move |range, out| {
                cpu::decode(model, codes, range, out);
                Ok(())
            })),
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) => {
                let program = |engine: &GpuEngine| match T::IS_F16 {
                    true => engine.programs.decode_f16.clone(),
                    false => engine.programs.decode.clone(),
                };
                let ring = decode_ring(engines, program, codes, mode, purpose)?;
                Ok(Chunks::on_gpu(ring, Section::Rows, dim))
            }
        }
    }

    /// The codes and scales of rows.
    pub(super) fn encode<'a, T: Element>(
        &self,
        model: &'a Model,
        rows: &'a Rows<'a, T>,
        mode: WaitMode,
    ) -> Result<PairChunks<'a, u8, f32>> {
        let size = model.config().packed_size();
        match self {
            Self::Cpu => Ok(PairChunks::of_rows(model, rows, size, mode, cpu::encode)),
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) => {
                let program = |engine: &GpuEngine| match T::IS_F16 {
                    true => engine.programs.encode_f16(&engine.gpu),
                    false => Ok(engine.programs.encode.clone()),
                };
                // Codes are small: those of a large chunk still fit the host's caches.
                let ring = rows_ring(engines, program, rows, mode, Use::Viewed)?;
                Ok(PairChunks::on_gpu(ring, size, |view, packed, scales, size| {
                    scales.copy_from_slice(values(view.section(Section::Scales)?)?);
                    copy_unpadded(packed, view.section(Section::Codes)?, size);
                    Ok(())
                }))
            }
        }
    }

    /// The latents `[rows, latent_dim]` of rows. On a GPU the caller still has to check
    /// and normalise them: see [`leaves_latents`](Self::leaves_latents).
    pub(super) fn encode_latent<'a>(
        &self,
        model: &'a Model,
        rows: &'a Rows<'a>,
        mode: WaitMode,
    ) -> Result<Chunks<'a, f32>> {
        let latent_dim = model.config().latent_dim;
        match self {
            Self::Cpu => {
                let compute = |model: &Model, rows: &Rows<'_>, _: &[u8], out: &mut [f32]| {
                    cpu::encode_latent(model, rows, out)
                };
                Ok(Chunks::of_rows(model, rows, &[], latent_dim, mode, compute))
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) => {
                let program = |engine: &GpuEngine| Ok(engine.programs.encode_latent.clone());
                let ring = rows_ring(engines, program, rows, mode, Use::Copied)?;
                Ok(Chunks::on_gpu(ring, Section::Latents, latent_dim))
            }
        }
    }

    /// The latents `[rows, latent_dim]` and the regions of rows, in a model of several regions. On a GPU
    /// the caller still has to check the latents.
    pub(super) fn encode_latent_with_regions<'a>(
        &self,
        model: &'a Model,
        rows: &'a Rows<'a>,
        mode: WaitMode,
    ) -> Result<PairChunks<'a, f32, u8>> {
        let latent_dim = model.config().latent_dim;
        match self {
            Self::Cpu => {
                let compute = cpu::encode_latent_with_regions;
                Ok(PairChunks::of_rows(model, rows, latent_dim, mode, compute))
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) => {
                let program = |engine: &GpuEngine| Ok(engine.programs.encode_latent.clone());
                let ring = rows_ring(engines, program, rows, mode, Use::Copied)?;
                Ok(PairChunks::on_gpu(ring, latent_dim, |view, latents, regions, _| {
                    copy(latents, values(view.section(Section::Latents)?)?);
                    let numbers: &[u32] = values(view.section(Section::Regions)?)?;
                    regions.iter_mut().zip(numbers).for_each(|(to, number)| *to = *number as u8);
                    Ok(())
                }))
            }
        }
    }

    /// Whether latents still have to be checked, and divided by their norms in a model that
    /// normalises.
    pub(super) fn leaves_latents(&self) -> bool {
        match self {
            Self::Cpu => false,
            #[cfg(feature = "gpu")]
            Self::Gpu(_) => true,
        }
    }

    /// The rows `[rows, dim]` that latents of regions decode to. The regions have been checked, and may
    /// be left out in a model of one region.
    pub(super) fn decode_latent<'a>(
        &self,
        model: &'a Model,
        latents: &'a Rows<'a>,
        regions: &'a [u8],
        mode: WaitMode,
    ) -> Result<Chunks<'a, f32>> {
        let dim = model.config().dim;
        match self {
            Self::Cpu => {
                Ok(Chunks::of_rows(model, latents, regions, dim, mode, cpu::decode_latent))
            }
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) => {
                let ring = latents_ring(engines, latents, regions, mode)?;
                Ok(Chunks::on_gpu(ring, Section::Rows, dim))
            }
        }
    }

    /// Makes codes ready to be searched.
    pub(super) fn load(
        &self,
        model: &Model,
        metric: Metric,
        records: Records,
    ) -> Result<LoadedBatch> {
        let batch = LoadedBatch::new(cpu::search::load(model, metric, records)?);
        #[cfg(feature = "gpu")]
        if let Self::Gpu(engines) = self {
            gpu_search::resident_rows(&searches(engines), model, metric, &batch)?;
        }
        Ok(batch)
    }

    /// How many queries of `k` hits each to answer together.
    pub(super) fn queries_at_once(&self, model: &Model, metric: Metric, k: usize) -> Result<usize> {
        let _ = metric;
        let at_once = cpu::search::queries_at_once(model, k);
        match self {
            Self::Cpu => Ok(at_once),
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) => engines.iter().try_fold(at_once, |at_once, engine| {
                Ok(at_once.min(engine.searches.queries_at_once(model, metric, k)?))
            }),
        }
    }

    /// The `k` best rows of each query, best first. `batches` are those of the views. With a recall below 1 the CPU
    /// finds about that share of them.
    ///
    /// A GPU finds the rows that they are among, and the CPU ranks these by their exact keys. A query that the
    /// GPU has no answer to is answered on the CPU.
    pub(super) fn search(
        &self,
        model: &Model,
        views: &[View<'_>],
        batches: &[&LoadedBatch],
        scaled: &ScaledQueries,
        (k, recall): (usize, f32),
    ) -> Result<Vec<Vec<Candidate>>> {
        let project = || Queries::new(model, scaled);
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) if engines.iter().all(|engine| engine.searches.suits(views, k)) => {
                let gpus = searches(engines);
                let (found, queries) =
                    gpu_search::find(&gpus, model, views, batches, (scaled, k), project)?;
                let missed: Vec<usize> =
                    (0..found.len()).filter(|query| found[*query].is_none()).collect();
                let found: Vec<Vec<u64>> =
                    found.into_iter().map(Option::unwrap_or_default).collect();
                let mut hits = cpu::search::rank(model, views, &queries, &found, k)?;
                if !missed.is_empty() {
                    let answers =
                        cpu::search::search(model, views, &queries.select(&missed), k, 1.0)?;
                    for (query, answer) in missed.into_iter().zip(answers) {
                        hits[query] = answer;
                    }
                }
                Ok(hits)
            }
            _ => {
                let _ = batches;
                cpu::search::search(model, views, &project(), k, recall)
            }
        }
    }

    /// Prepares encoding rows of f16, which on a GPU may compile a pipeline.
    pub(super) fn prepare_f16_rows(&self) -> Result<()> {
        match self {
            Self::Cpu => Ok(()),
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) => engines
                .iter()
                .try_for_each(|engine| engine.programs.encode_f16(&engine.gpu).map(drop)),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        match self {
            Self::Cpu => Stats::default(),
            #[cfg(feature = "gpu")]
            Self::Gpu(engines) => {
                engines.iter().fold(Stats::default(), |sum, engine| sum.plus(engine.stats()))
            }
        }
    }

    /// The engines of the GPUs, for what the CPU engine does not have: timings, recordings and losses.
    #[cfg(feature = "gpu")]
    pub(super) fn gpus(&self) -> &[Arc<GpuEngine>] {
        match self {
            Self::Cpu => &[],
            Self::Gpu(engines) => engines,
        }
    }
}

/// What each of several engines has for searches.
#[cfg(feature = "gpu")]
fn searches(engines: &[Arc<GpuEngine>]) -> Vec<&GpuSearches> {
    engines.iter().map(|engine| &engine.searches).collect()
}

#[cfg(feature = "gpu")]
impl GpuEngine {
    pub(super) fn chunk_bytes(&self, purpose: Use) -> u64 {
        let chunk_bytes = self.gpu.caps().chunk_bytes;
        match purpose {
            Use::Copied => chunk_bytes.copied,
            Use::Viewed => chunk_bytes.large,
        }
    }
}

/// Sends codes through a program.
#[cfg(feature = "gpu")]
pub(super) fn decode_ring<'a>(
    engines: &[Arc<GpuEngine>],
    program: impl Fn(&GpuEngine) -> Arc<Program>,
    codes: &'a Codes,
    mode: WaitMode,
    purpose: Use,
) -> Result<Ring<'a>> {
    let rows = (codes.row_count(), u32::from(codes.scales().len() > 1));
    let program = |engine: &GpuEngine| Ok(program(engine));
    Ring::new(engines, program, mode, rows, purpose, |range, sections| {
        write_codes(codes, range, sections)
    })
}

/// Sends latents to be decoded, and their regions where the model has several.
#[cfg(feature = "gpu")]
fn latents_ring<'a>(
    engines: &[Arc<GpuEngine>],
    latents: &'a Rows<'a>,
    regions: &'a [u8],
    mode: WaitMode,
) -> Result<Ring<'a>> {
    let program = |engine: &GpuEngine| Ok(engine.programs.decode_latent.clone());
    let rows = (latents.len(), 1);
    Ring::new(engines, program, mode, rows, Use::Copied, move |range, sections| {
        write_latents(latents, regions, range, sections)
    })
}

/// Sends rows through a program.
#[cfg(feature = "gpu")]
fn rows_ring<'a, T: Element>(
    engines: &[Arc<GpuEngine>],
    program: impl Fn(&GpuEngine) -> Result<Arc<Program>>,
    rows: &'a Rows<'a, T>,
    mode: WaitMode,
    purpose: Use,
) -> Result<Ring<'a>> {
    Ring::new(engines, program, mode, (rows.len(), 1), purpose, move |range, mut sections| {
        write_rows(rows, range, sections.take(Section::Rows)?)
    })
}
