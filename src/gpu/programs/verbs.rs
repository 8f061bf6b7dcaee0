//! One function per verb, from a model to the verb's recipe.

use super::super::device::Caps;
use super::super::kernels::{
    BitCodes, Epilogue, GemmTiling, Kernel, KernelOptions, Layer, Lhs, Resident, Search, bias,
    gemm, normalize, pack, quantize,
};
use super::recipe::{Recipe, Recipes};
use crate::model::{Activation, Model, RegionLayers};
use crate::plan::{RowBytes, RowLayout, Section, padded};

const VALUE_BYTES: u64 = size_of::<f32>() as u64;
const F16_BYTES: u64 = 2;

/// The recipes of a model on an adapter, over data that is there once.
pub(crate) fn recipes(model: &Model, caps: &Caps, options: KernelOptions) -> Recipes {
    let (config, region) = (model.config(), model.region(0));
    let (dim, latent_dim) = (config.dim, config.latent_dim);
    let layer =
        |weights: &[f32], shape @ [inputs, outputs]: [usize; 2], residents: [Resident; 2]| {
            let tiling = GemmTiling::new(caps, options, shape);
            let packed = pack(weights, shape, tiling);
            let [weights, bias] = residents;
            let descale = packed.descale;
            (Layer { inputs, outputs, relu: false, descale, tiling, weights, bias }, packed.bytes)
        };
    let names = [Resident::EncoderWeights, Resident::EncoderBias];
    let (mut encoder, encoder_bytes) = layer(region.encoder.weights, [dim, latent_dim], names);
    encoder.relu = config.activation() == Activation::Relu;
    let names = [Resident::DecoderWeights, Resident::DecoderBias];
    let decoder_weights = decoder_weights(&region);
    let (decoder, decoder_bytes) = layer(&decoder_weights, [latent_dim, dim], names);

    let mut residents = vec![
        (Resident::EncoderWeights, encoder_bytes),
        (Resident::EncoderBias, bias(region.encoder.bias, latent_dim)),
        (Resident::DecoderWeights, decoder_bytes),
        (Resident::DecoderBias, bias(region.decoder.bias, dim)),
    ];
    if let Some(centroid) = region.centroid {
        residents.push((Resident::Centroid, bias(Some(centroid), dim)));
    }
    let bits = region.plan.map(|plan| {
        let search = Search::new(plan, config.has_row_scales());
        residents.extend(BitCodes(plan).residents());
        residents.push(search.resident());
        let reciprocal = |step: &f32| if *step == 0.0 { 0.0 } else { step.recip() };
        let reciprocals: Vec<f32> = plan.steps().iter().map(reciprocal).collect();
        residents.push((Resident::ReciprocalSteps, bias(Some(&reciprocals), latent_dim)));
        (BitCodes(plan).lhs(), search)
    });
    let verbs = Verbs {
        dim,
        latent_dim,
        code_bytes: padded(config.packed_size()) as u64,
        // Rows whose norms are stored beside bit codes are divided by them first.
        normalizes: bits.is_some() && config.has_row_scales(),
        centers: region.centroid.is_some(),
        encoder,
        decoder,
        bits,
    };
    Recipes {
        encode: verbs.encode(Lhs::Rows),
        encode_f16: verbs.encode(Lhs::RowsF16),
        encode_latent: verbs.encode_latent(),
        decode: verbs.decode(Epilogue::StoreTight),
        decode_f16: verbs.decode(Epilogue::StoreF16),
        decode_latent: verbs.decode_latent(),
        residents,
    }
}

/// The weights `[dim, latents]` of the decoder. Those of bit codes hold the factor of each latent's
/// table, so that the left operand of the GEMM is a table's value.
fn decoder_weights(region: &RegionLayers<'_>) -> Vec<f32> {
    let RegionLayers { decoder, plan, .. } = region;
    let weight = |output, input| {
        let weight = decoder.weight(output, input);
        plan.map_or(weight, |plan| weight * plan.steps()[input])
    };
    let outputs = 0..decoder.outputs;
    outputs
        .flat_map(|o| (0..decoder.inputs).map(move |i| (o, i)))
        .map(|(o, i)| weight(o, i))
        .collect()
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
}

impl Verbs<'_> {
    /// Rows to codes and scales, from rows of f32 or f16.
    fn encode(&self, rows: Lhs) -> Recipe {
        let f16_rows = rows == Lhs::RowsF16;
        let value_bytes = if f16_rows { F16_BYTES } else { VALUE_BYTES };
        let (mut scratch, mut kernels) = (vec![], vec![]);
        let (lhs, from) = self.normalized(rows, Section::Scales, &mut scratch, &mut kernels);
        let tiling = self.encoder.tiling;
        match &self.bits {
            None if tiling.holds(self.latent_dim) => {
                kernels.push(gemm(lhs, &self.encoder, Epilogue::Quantize, from, Section::Codes));
            }
            None => {
                scratch.push(self.padded_latents());
                kernels.push(self.project(lhs, from));
                let shared = !matches!(tiling, GemmTiling::RegisterBlocked { .. });
                kernels.push(quantize(padded(self.latent_dim) as u64 / 4, shared));
            }
            Some((_, search)) => {
                scratch.push(self.padded_latents());
                scratch.extend(search.decision_bytes().map(|bytes| (Section::Decisions, bytes)));
                kernels.extend([self.project(lhs, from), search.kernel()]);
            }
        }
        let inputs = vec![(Section::Rows, padded(self.dim) as u64 * value_bytes)];
        let layout = RowLayout { inputs, scratch, outputs: self.codes() };
        let verb = if f16_rows { "vecodec.encode_f16" } else { "vecodec.encode" };
        Recipe { verb, layout, kernels }
    }

    /// Rows to latents.
    fn encode_latent(&self) -> Recipe {
        let (mut scratch, mut kernels) = (vec![], vec![]);
        let (lhs, from) = self.normalized(Lhs::Rows, Section::Norms, &mut scratch, &mut kernels);
        if self.normalizes {
            scratch.push((Section::Norms, VALUE_BYTES));
        }
        let (tight, to) = (Epilogue::StoreTight, Section::Latents);
        kernels.push(gemm(lhs, &self.encoder, tight, from, to));
        let inputs = vec![(Section::Rows, padded(self.dim) as u64 * VALUE_BYTES)];
        let outputs = vec![(Section::Latents, self.latent_dim as u64 * VALUE_BYTES)];
        let layout = RowLayout { inputs, scratch, outputs };
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
        let layout = RowLayout { inputs: self.codes(), scratch: vec![], outputs };
        let kernel = gemm(lhs, &self.decoder, epilogue, Section::Codes, Section::Rows);
        Recipe { verb, layout, kernels: vec![kernel] }
    }

    /// Latents to rows.
    fn decode_latent(&self) -> Recipe {
        let outputs = vec![(Section::Rows, self.dim as u64 * VALUE_BYTES)];
        let layout = RowLayout { inputs: vec![self.padded_latents()], scratch: vec![], outputs };
        let (from, to) = (Section::Latents, Section::Rows);
        let lhs = if self.bits.is_some() { Lhs::Latents } else { Lhs::Rows };
        let kernel = gemm(lhs, &self.decoder, Epilogue::StoreTight, from, to);
        Recipe { verb: "vecodec.decode_latent", layout, kernels: vec![kernel] }
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
            let lhs = if self.centers { Lhs::CenteredRows { f16 } } else { rows };
            return (lhs, Section::Rows);
        }
        let values = padded(self.dim) as u64;
        scratch.push((Section::UnitRows, values * VALUE_BYTES));
        kernels.push(normalize(values / 4, f16, norms));
        let lhs = if self.centers { Lhs::CenteredRows { f16: false } } else { Lhs::Rows };
        (lhs, Section::UnitRows)
    }

    /// The GEMM with the encoder's weights, stored for another kernel.
    fn project(&self, lhs: Lhs, from: Section) -> Kernel {
        gemm(lhs, &self.encoder, Epilogue::StorePadded, from, Section::Latents)
    }

    fn padded_latents(&self) -> RowBytes {
        (Section::Latents, padded(self.latent_dim) as u64 * VALUE_BYTES)
    }

    fn codes(&self) -> Vec<RowBytes> {
        vec![(Section::Scales, VALUE_BYTES), (Section::Codes, self.code_bytes)]
    }
}
