//! Kernels as plain values: no device appears in any signature.
//!
//! A [`Kernel`] is everything that one dispatch is made from. `gemm` makes the kernels that multiply
//! matrices, `quantize`, `normalize` and `pad` the kernels that treat each row by itself, `bit_codes` the
//! encoders of bit codes, `regions` the kernels that choose regions and sort rows by them, `scan` and `select`
//! the kernels of a search, for which `pairs` makes tables, `bundles` those that look up several latents of scalar
//! codes at once, `project` those that bring queries to the latent space. `tiling` decides how a GEMM is divided, `weights` packs its weights, and `shaders` names the files
//! of `shaders/`.

mod bit_codes;
mod bundles;
mod gemm;
mod look_ups;
mod normalize;
mod pad;
mod pairs;
mod project;
mod quad_scan;
mod quads;
mod quantize;
mod regions;
mod scan;
mod select;
mod shaders;
mod tiling;
mod weights;

#[cfg(test)]
pub(crate) use bit_codes::SearchedSymbol;
pub(crate) use bit_codes::{BitCodes, Search};
pub(crate) use bundles::{
    BundleShape, MAX_BUNDLE_BITS, MAX_BUNDLES, MAX_WORDS, WIDE_THREADS, bundle_scan, bundle_tables,
};
pub(crate) use gemm::{ByRegion, Epilogue, Layer, Lhs, Span, gemm};
pub(crate) use normalize::normalize;
pub(crate) use pad::pad;
pub(crate) use pairs::PairCodes;
pub(crate) use project::{WeightPart, matrices, project, project_groups, projection_roundings};
pub(crate) use quad_scan::{NEAR_WORKGROUPS, QuadShape, near_scores, quad_queries, quad_scan};
pub(crate) use quads::QuadCodes;
pub(crate) use quantize::quantize;
pub(crate) use regions::{
    Choice, ORDER_BYTES, RANK_BYTES, RegionsOf, choose, order_head_bytes, region_order, shortlist,
};
pub(crate) use scan::{
    AtOnce, PairShape, ScanShape, SearchBuffer, TILE, coop_bytes, coop_scan, scan,
};
pub(crate) use select::{prepare, rank, select};
pub(crate) use shaders::ShaderFile;
#[cfg(test)]
pub(crate) use shaders::all as all_shader_files;
pub(crate) use tiling::{GemmTiling, KernelOptions};
pub use tiling::{Precision, Tiling};
pub(crate) use weights::{bias, pack};

use super::device::Caps;
use crate::error::{Error, OTHER_ADAPTER, Result};
use crate::plan::{Grid, Section};

/// One dispatch over a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// Says what the kernel is, such as `decode.gemm.coop16_stationary.2xf16.store_f32`. Kernels of
    /// one name are made from the same files.
    pub(crate) name: String,
    /// The shader is these files, one after the other. Its entry point is `main`.
    pub(crate) files: Vec<&'static ShaderFile>,
    /// Values of all `override` constants of the shader, by name.
    pub(crate) constants: Vec<(&'static str, f64)>,
    /// What is bound, each at its index.
    pub(crate) bindings: Vec<Binding>,
    pub(crate) grid: Grid,
    /// The most iterations of a thread's loops, all counted together.
    pub(crate) loop_iterations: u64,
    /// Bytes of workgroup memory, at most.
    pub(crate) workgroup_bytes: u64,
}

impl Kernel {
    /// The shader's source.
    pub(crate) fn wgsl(&self) -> String {
        self.files.iter().map(|file| file.text).collect()
    }

    /// Fails if the adapter's limits are too small for the kernel.
    pub(crate) fn check(&self, caps: &Caps) -> Result<()> {
        let iterations = caps.max_loop_iterations.unwrap_or(u64::MAX);
        for (what, required, available) in [
            ("loop iterations", self.loop_iterations, iterations),
            ("bytes of workgroup memory", self.workgroup_bytes, caps.workgroup_bytes),
        ] {
            if required > available {
                return Err(Error::Limit { what, required, available, remedy: OTHER_ADAPTER });
            }
        }
        Ok(())
    }
}

/// What is bound at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// The parameters in front of the input.
    Params,
    /// A buffer of the model's.
    Resident(Resident),
    /// A section of the chunk.
    Section(Section),
    /// A buffer of a search.
    Search(SearchBuffer),
    /// Nothing: the kernel has no variable of this number.
    Unused,
}

/// Data of a model that stays on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Resident {
    /// The encoder of some regions: those of the span of this number.
    EncoderWeights(u8),
    EncoderBias,
    /// What is subtracted from rows.
    Centroid,
    /// The decoder of some regions: those of the span of this number.
    DecoderWeights(u8),
    DecoderBias,
    /// One over the steps of bit codes, by which latents are multiplied before the decoder.
    ReciprocalSteps,
    /// How bit codes are read: their windows, then where their tables begin, for four latents each.
    BitLayout,
    /// The tables of bit codes, one after the other.
    BitTables,
    /// How bit codes are searched for: `Symbol` in `shaders/bits/contract.wgsl` for each symbol.
    SearchPlan,
    /// From where the centroids of regions are looked at.
    Origin,
    /// Scaled centroids, which give the scores of regions.
    ScoreWeights,
    ScoreBias,
    /// The encoder of the leading latents of some regions.
    LeadingWeights(u8),
    LeadingBias,
    /// What leading latents cost: see `shaders/regions/choose.wgsl`.
    LeadingCosts,
    /// How a search reads bit codes: see `shaders/search/bit_products.wgsl`.
    SearchSteps,
    /// The bundles of a row: see `shaders/search/bundle_tables.wgsl`.
    Bundles,
    /// The latents of bundles, in all regions.
    BundleLatents,
    /// The pairs of values that a search looks up.
    Pairs,
    /// The same pairs, and how they are looked up for cooperative matrices.
    LookUps,
    /// The tables of quads, and the steps of rows: see `shaders/search/quad_products.wgsl`.
    Quads,
    /// What queries are multiplied by for the bytes of quads: see `shaders/search/quad_queries.wgsl`.
    QuadBytes,
    /// What queries on a device are multiplied by: see `shaders/search/project.wgsl`.
    QueryWeights,
}

impl Resident {
    /// The buffer's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::EncoderWeights(_) => "vecodec.encoder",
            Self::EncoderBias => "vecodec.encoder.bias",
            Self::Centroid => "vecodec.centroid",
            Self::ReciprocalSteps => "vecodec.bits.reciprocal_steps",
            Self::DecoderWeights(_) => "vecodec.decoder",
            Self::DecoderBias => "vecodec.decoder.bias",
            Self::BitLayout => "vecodec.bits.layout",
            Self::BitTables => "vecodec.bits.tables",
            Self::SearchPlan => "vecodec.bits.plan",
            Self::Origin => "vecodec.regions.origin",
            Self::ScoreWeights => "vecodec.regions.scores",
            Self::ScoreBias => "vecodec.regions.scores.bias",
            Self::LeadingWeights(_) => "vecodec.regions.leading",
            Self::LeadingBias => "vecodec.regions.leading.bias",
            Self::LeadingCosts => "vecodec.regions.leading.costs",
            Self::SearchSteps => "vecodec.search.steps",
            Self::Bundles => "vecodec.search.bundles",
            Self::BundleLatents => "vecodec.search.bundle_latents",
            Self::Pairs => "vecodec.search.pairs",
            Self::LookUps => "vecodec.search.look_ups",
            Self::Quads => "vecodec.search.quads",
            Self::QuadBytes => "vecodec.search.quad_bytes",
            Self::QueryWeights => "vecodec.search.query_weights",
        }
    }
}
