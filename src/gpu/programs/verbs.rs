//! One function per verb, from a model to the verb's recipe.

use super::super::device::Caps;
use super::super::kernels::{
    BitCodes, Epilogue, GemmTiling, Kernel, KernelOptions, Layer, Lhs, Search, gemm, normalize,
    pad, quantize,
};
use super::layers::{Layers, VALUE_BYTES, centered};
use super::recipe::{Recipe, Recipes};
use super::regions::{RegionSource, Regions};
use crate::bit_codes::BitPlan;
use crate::model::{Activation, Model, RegionLayers};
use crate::plan::{RowBytes, RowLayout, Section, padded};

const F16_BYTES: u64 = 2;

/// The recipes of a model on an adapter, over data that is there once.
pub(crate) fn recipes(model: &Model, caps: &Caps, options: KernelOptions) -> Recipes {
    let config = model.config();
    let (dim, latent_dim) = (config.dim, config.latent_dim);
    let regions: Vec<RegionLayers<'_>> =
        (0..model.region_count()).map(|number| model.region(number)).collect();
    let plans: Vec<&BitPlan> = regions.iter().filter_map(|region| region.plan).collect();
    let mut layers = Layers::new(caps, options, &regions);
    let mut encoder = layers.encoder([dim, latent_dim]);
    encoder.relu = config.activation() == Activation::Relu;
    let decoder = layers.decoder([latent_dim, dim]);
    let chosen = model.mixture().filter(|mixture| mixture.regions().len() > 1);
    let chosen = chosen.map(|mixture| Regions::new(mixture, dim, &mut layers));
    let bits = (!plans.is_empty()).then(|| {
        let search = Search::new(&plans, config.has_row_scales(), caps.subgroup);
        layers.residents.extend(BitCodes(&plans).residents());
        layers.residents.push(search.resident());
        layers.add_reciprocal_steps(latent_dim);
        (BitCodes(&plans).lhs(), search)
    });
    let verbs = Verbs {
        dim,
        latent_dim,
        code_bytes: padded(config.packed_size()) as u64,
        // Rows whose norms are stored beside bit codes are divided by them first.
        normalizes: bits.is_some() && config.has_row_scales(),
        centers: regions[0].centroid.is_some(),
        encoder,
        decoder,
        bits,
        regions: chosen,
    };
    Recipes {
        encode: verbs.encode(Lhs::Rows),
        encode_f16: verbs.encode(Lhs::RowsF16),
        encode_latent: verbs.encode_latent(),
        decode: verbs.decode(Epilogue::StoreTight),
        decode_f16: verbs.decode(Epilogue::StoreF16),
        decode_latent: verbs.decode_latent(),
        pad: verbs.pad(),
        residents: layers.residents,
    }
}

/// What the verbs of a model have in common.
struct Verbs<'a> {
    dim: usize,
    latent_dim: usize,
    /// Bytes of a row's packed codes, padded to words.
    code_bytes: u64,
    normalizes: bool,
    /// Whether a centroid is subtracted from rows.
    centers: bool,
    encoder: Layer,
    decoder: Layer,
    bits: Option<(Lhs, Search<'a>)>,
    /// How the region of a row is chosen; none where there is one region.
    regions: Option<Regions>,
}

impl Verbs<'_> {
    /// Rows to codes and scales, from rows of f32 or f16.
    fn encode(&self, rows: Lhs) -> Recipe {
        let f16_rows = rows == Lhs::RowsF16;
        let value_bytes = if f16_rows { F16_BYTES } else { VALUE_BYTES };
        let (mut scratch, mut kernels) = (vec![], vec![]);
        let (lhs, from) = self.normalized(rows, Section::Scales, &mut scratch, &mut kernels);
        self.choose_regions(lhs, from, &mut scratch, &mut kernels);
        scratch.extend(self.region_numbers());
        let tiling = self.encoder.tiling;
        match &self.bits {
            None if tiling.holds(self.latent_dim) => {
                let to = Section::Codes;
                kernels.extend(gemm(lhs, &self.encoder, Epilogue::Quantize, from, to));
            }
            None => {
                scratch.push(self.padded_latents());
                kernels.extend(self.project(lhs, from));
                let shared = !matches!(tiling, GemmTiling::RegisterBlocked { .. });
                kernels.push(quantize(padded(self.latent_dim) as u64 / 4, shared));
            }
            Some((_, search)) => {
                scratch.push(self.padded_latents());
                scratch.extend(search.decision_bytes().map(|bytes| (Section::Decisions, bytes)));
                kernels.extend(self.project(lhs, from));
                kernels.push(search.kernel());
            }
        }
        let inputs = vec![(Section::Rows, padded(self.dim) as u64 * value_bytes)];
        let layout = self.layout(inputs, scratch, self.codes());
        let verb = if f16_rows { "vecodec.encode_f16" } else { "vecodec.encode" };
        Recipe { verb, layout, kernels }
    }

    /// Rows to latents, and to the regions of rows where there are several.
    fn encode_latent(&self) -> Recipe {
        let (mut scratch, mut kernels) = (vec![], vec![]);
        let (lhs, from) = self.normalized(Lhs::Rows, Section::Norms, &mut scratch, &mut kernels);
        if self.normalizes {
            scratch.push((Section::Norms, VALUE_BYTES));
        }
        self.choose_regions(lhs, from, &mut scratch, &mut kernels);
        let (tight, to) = (Epilogue::StoreTight, Section::Latents);
        kernels.extend(gemm(lhs, &self.encoder, tight, from, to));
        let inputs = vec![(Section::Rows, padded(self.dim) as u64 * VALUE_BYTES)];
        let mut outputs = vec![(Section::Latents, self.latent_dim as u64 * VALUE_BYTES)];
        outputs.extend(self.region_numbers());
        let layout = self.layout(inputs, scratch, outputs);
        Recipe { verb: "vecodec.encode_latent", layout, kernels }
    }

    /// Codes to rows, as the epilogue stores them.
    fn decode(&self, epilogue: Epilogue) -> Recipe {
        let lhs = self.bits.as_ref().map_or(Lhs::Int8Codes, |(lhs, _)| *lhs);
        let (verb, row_bytes) = match epilogue {
            Epilogue::StoreF16 => ("vecodec.decode_f16", padded(self.dim) as u64 * F16_BYTES),
            _ => ("vecodec.decode", self.dim as u64 * VALUE_BYTES),
        };
        let outputs = vec![(Section::Rows, row_bytes)];
        let (mut scratch, mut kernels) = (vec![], vec![]);
        let source = RegionSource::Codes(self.code_bytes);
        self.sort_rows(source, lhs, &mut scratch, &mut kernels);
        let layout = self.layout(self.codes(), scratch, outputs);
        kernels.extend(gemm(lhs, &self.decoder, epilogue, Section::Codes, Section::Rows));
        Recipe { verb, layout, kernels }
    }

    /// Latents, and the regions of rows where there are several, to rows.
    fn decode_latent(&self) -> Recipe {
        let outputs = vec![(Section::Rows, self.dim as u64 * VALUE_BYTES)];
        let mut inputs = vec![self.padded_latents()];
        inputs.extend(self.region_numbers());
        let (mut scratch, mut kernels) = (vec![], vec![]);
        let lhs = if self.bits.is_some() { Lhs::Latents } else { Lhs::Rows };
        self.sort_rows(RegionSource::Numbers, lhs, &mut scratch, &mut kernels);
        let layout = self.layout(inputs, scratch, outputs);
        let (from, to) = (Section::Latents, Section::Rows);
        kernels.extend(gemm(lhs, &self.decoder, Epilogue::StoreTight, from, to));
        Recipe { verb: "vecodec.decode_latent", layout, kernels }
    }

    /// Rows without padding to padded ones.
    fn pad(&self) -> Recipe {
        let inputs = vec![(Section::TightRows, self.dim as u64 * VALUE_BYTES)];
        let outputs = vec![(Section::Rows, padded(self.dim) as u64 * VALUE_BYTES)];
        let layout = RowLayout { inputs, outputs, ..RowLayout::default() };
        Recipe { verb: "vecodec.pad", layout, kernels: vec![pad(self.dim)] }
    }

    /// Adds the kernel that divides rows by their norms, where the model stores norms. Returns the
    /// left operand of the encoder's GEMM, and its section.
    fn normalized(
        &self,
        rows: Lhs,
        norms: Section,
        scratch: &mut Vec<RowBytes>,
        kernels: &mut Vec<Kernel>,
    ) -> (Lhs, Section) {
        let f16 = rows == Lhs::RowsF16;
        if !self.normalizes {
            let lhs = if self.centers { centered(f16) } else { rows };
            return (lhs, Section::Rows);
        }
        let values = padded(self.dim) as u64;
        scratch.push((Section::UnitRows, values * VALUE_BYTES));
        kernels.push(normalize(values / 4, f16, norms));
        let lhs = if self.centers { centered(false) } else { Lhs::Rows };
        (lhs, Section::UnitRows)
    }

    /// Adds the kernels that choose the region of each row `lhs`, and sort rows by it, where there are
    /// several.
    fn choose_regions(
        &self,
        lhs: Lhs,
        from: Section,
        scratch: &mut Vec<RowBytes>,
        kernels: &mut Vec<Kernel>,
    ) {
        let Some(regions) = &self.regions else { return };
        let f16 = matches!(lhs, Lhs::CenteredRows { f16: true, .. });
        scratch.extend(regions.choice_scratch());
        kernels.extend(regions.choice(from, f16));
        kernels.extend(regions.sort(RegionSource::Numbers, self.encoder.tiling_for(lhs)));
    }

    /// Adds the kernels that sort rows by their regions for the decoder, where there are several.
    fn sort_rows(
        &self,
        source: RegionSource,
        lhs: Lhs,
        scratch: &mut Vec<RowBytes>,
        kernels: &mut Vec<Kernel>,
    ) {
        let Some(regions) = &self.regions else { return };
        scratch.extend(regions.sort_scratch());
        kernels.extend(regions.sort(source, self.decoder.tiling_for(lhs)));
    }

    /// The layout of a chunk. Where there are several regions, it has an order of rows.
    fn layout(
        &self,
        inputs: Vec<RowBytes>,
        scratch: Vec<RowBytes>,
        outputs: Vec<RowBytes>,
    ) -> RowLayout {
        let heads = self.regions.as_ref().map_or(vec![], Regions::heads);
        RowLayout { inputs, scratch, heads, outputs }
    }

    /// The regions of rows, where there are several.
    fn region_numbers(&self) -> Option<RowBytes> {
        self.regions.as_ref().map(|_| (Section::Regions, VALUE_BYTES))
    }

    /// The GEMM with the encoder's weights, stored for another kernel.
    fn project(&self, lhs: Lhs, from: Section) -> impl Iterator<Item = Kernel> {
        gemm(lhs, &self.encoder, Epilogue::StorePadded, from, Section::Latents)
    }

    fn padded_latents(&self) -> RowBytes {
        (Section::Latents, padded(self.latent_dim) as u64 * VALUE_BYTES)
    }

    fn codes(&self) -> Vec<RowBytes> {
        vec![(Section::Scales, VALUE_BYTES), (Section::Codes, self.code_bytes)]
    }
}
