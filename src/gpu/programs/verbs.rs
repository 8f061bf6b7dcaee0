//! One function per verb, from a model to the verb's recipe.

use super::super::device::Caps;
use super::super::kernels::{
    BitCodes, Epilogue, GemmTiling, Kernel, KernelOptions, Layer, Lhs, Resident, Search, bias,
    gemm, normalize, pack, quantize,
};
use super::recipe::{Recipe, Recipes};
use crate::model::{Activation, Model};
use crate::plan::{RowBytes, RowLayout, Section, padded};

const VALUE_BYTES: u64 = size_of::<f32>() as u64;
const F16_BYTES: u64 = 2;

/// The recipes of a model on an adapter, over data that is there once.
pub(crate) fn recipes(model: &Model, caps: &Caps, options: KernelOptions) -> Recipes {
    let (config, weights) = (model.config(), model.weights());
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
    let (mut encoder, encoder_bytes) = layer(&weights.encoder, [dim, latent_dim], names);
    encoder.relu = config.activation() == Activation::Relu;
    let names = [Resident::DecoderWeights, Resident::DecoderBias];
    let (decoder, decoder_bytes) = layer(&weights.decoder, [latent_dim, dim], names);

    let mut residents = vec![
        (Resident::EncoderWeights, encoder_bytes),
        (Resident::EncoderBias, bias(weights.encoder_bias.as_deref(), latent_dim)),
        (Resident::DecoderWeights, decoder_bytes),
        (Resident::DecoderBias, bias(weights.decoder_bias.as_deref(), dim)),
    ];
    let bits = model.plan().map(|plan| {
        let search = Search::new(plan, config.has_row_scales());
        residents.extend(BitCodes(plan).residents());
        residents.extend(search.residents());
        (BitCodes(plan).lhs(), search)
    });
    let verbs = Verbs {
        dim,
        latent_dim,
        code_bytes: padded(config.packed_size()) as u64,
        // Rows whose norms are stored beside bit codes are divided by them first.
        normalizes: bits.is_some() && config.has_row_scales(),
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

/// What the verbs of a model have in common.
struct Verbs<'a> {
    dim: usize,
    latent_dim: usize,
    /// Bytes of a row's packed codes, padded to words.
    code_bytes: u64,
    normalizes: bool,
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
        let kernel = gemm(Lhs::Rows, &self.decoder, Epilogue::StoreTight, from, to);
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
        if !self.normalizes {
            return (rows, Section::Rows);
        }
        let values = padded(self.dim) as u64;
        scratch.push((Section::UnitRows, values * VALUE_BYTES));
        kernels.push(normalize(values / 4, rows == Lhs::RowsF16, norms));
        (Lhs::Rows, Section::UnitRows)
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
