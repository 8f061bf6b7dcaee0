//! The four programs: encode, encode to latents, decode, decode from latents.

use wgpu::Buffer;

use super::caps::Shape;
use super::context::Gpu;
use super::kernel::{
    Binding, DECODE_REGISTERS, DECODE_TILED, PROJECT_REGISTERS, PROJECT_TILED, Program, QUANTIZE,
    STREAM_REGISTERS, STREAM_TILED, Step, UNIT, Variant, checked,
};
use super::streams::{Search, Streams};
use crate::error::{Error, Result};
use crate::model::{Activation, Model};
use crate::plan::{Grid, RowLayout, count, padded};

const VALUE_BYTES: u64 = size_of::<f32>() as u64;
/// Threads of a one-dimensional workgroup.
pub(super) const WORKGROUP: u32 = 64;
/// `ROWS` in `shaders/shared/registers.wgsl`.
pub(super) const REGISTER_ROWS: u32 = 12;
/// `TILE` in `shaders/shared/tiled.wgsl`.
pub(super) const TILE: u32 = 64;

/// The programs of one model on one device, over weights that are there once.
pub(crate) struct Programs {
    /// Rows to codes: input rows, outputs scales and packed codes padded to words.
    pub(crate) encode: Program,
    /// Rows to latents, not normalised: output `[rows, latent_dim]` without padding.
    pub(crate) encode_latent: Program,
    /// Codes to rows: inputs scales and packed codes, output `[rows, dim]` without padding.
    pub(crate) decode: Program,
    /// Codes to rows of f16: output padded to four values.
    pub(crate) decode_half: Program,
    /// Latents to rows: output `[rows, dim]` without padding.
    pub(crate) decode_latent: Program,
}

impl Programs {
    pub(crate) fn new(gpu: &Gpu, model: &Model, shape: Shape) -> Result<Self> {
        let (config, weights) = (model.config(), model.weights());
        let (dim, latent_dim) = (config.dim, config.latent_dim);
        let (rows4, latents4) = (padded(dim) as u64 / 4, padded(latent_dim) as u64 / 4);
        let encoder = Layer {
            weights: transposed(gpu, "vecodec.encoder", &weights.encoder, dim, latent_dim)?,
            bias: bias(gpu, "vecodec.encoder.bias", weights.encoder_bias.as_deref(), latent_dim)?,
            inputs: dim,
            outputs: latent_dim,
            relu: config.activation == Activation::Relu,
        };
        let decoder = Layer {
            weights: transposed(gpu, "vecodec.decoder", &weights.decoder, latent_dim, dim)?,
            bias: bias(gpu, "vecodec.decoder.bias", weights.decoder_bias.as_deref(), dim)?,
            inputs: latent_dim,
            outputs: dim,
            relu: false,
        };
        let out = |layer, store| Product { layer, store, output: Binding::Output(0) };
        let padded_latents =
            Product { layer: &encoder, store: Store::Padded, output: Binding::Scratch(0) };
        let tight_latents = out(&encoder, Store::Tight);
        let tight_rows = out(&decoder, Store::Tight);
        let half_rows = out(&decoder, Store::Half);
        let streams = match model.plan() {
            Some(plan) => Some(Streams::new(gpu, plan)?),
            None => None,
        };
        let search = model.plan().map(|plan| Search::new(plan, config.keeps_scale()));
        let codes_in = padded(config.packed_size()) as u64;
        let rows_in = 4 * rows4 * VALUE_BYTES;
        let latents_out = latent_dim as u64 * VALUE_BYTES;
        let rows_out = dim as u64 * VALUE_BYTES;
        // Rows whose norm is kept beside a stream are divided by it first.
        let divided = streams.is_some() && config.keeps_scale();
        let (rows, units_bytes) =
            if divided { (Binding::Scratch(1), rows_in) } else { (Binding::Input(0), 0) };
        let unit = |norms| divided.then(|| unit(gpu, rows4, norms)).transpose();
        let quantized = match (&streams, &search) {
            (Some(streams), Some(search)) => {
                streams.search(gpu, search, Binding::Scratch(0), Binding::Scratch(2))?
            }
            _ => quantize(gpu, latents4)?,
        };
        let norm_bytes = if divided { VALUE_BYTES } else { 0 };
        let encode_steps = unit(Binding::Output(0))?
            .into_iter()
            .chain([padded_latents.project(gpu, shape, rows.clone())?, quantized]);
        let latent_steps = unit(Binding::Scratch(2))?
            .into_iter()
            .chain([tight_latents.project(gpu, shape, rows)?]);
        Ok(Self {
            encode: Program {
                label: "vecodec.encode",
                layout: RowLayout {
                    inputs: vec![rows_in],
                    scratch: vec![
                        4 * latents4 * VALUE_BYTES,
                        units_bytes,
                        search.as_ref().map_or(0, Search::decision_bytes),
                    ],
                    outputs: vec![VALUE_BYTES, codes_in],
                },
                steps: encode_steps.collect(),
            },
            encode_latent: Program {
                label: "vecodec.encode_latent",
                layout: RowLayout {
                    inputs: vec![rows_in],
                    scratch: vec![0, units_bytes, norm_bytes],
                    outputs: vec![latents_out],
                },
                steps: latent_steps.collect(),
            },
            decode: Program {
                label: "vecodec.decode",
                layout: RowLayout {
                    inputs: vec![VALUE_BYTES, codes_in],
                    scratch: Vec::new(),
                    outputs: vec![rows_out],
                },
                steps: vec![tight_rows.decode(gpu, shape, streams.as_ref())?],
            },
            decode_half: Program {
                label: "vecodec.decode_half",
                layout: RowLayout {
                    inputs: vec![VALUE_BYTES, codes_in],
                    scratch: Vec::new(),
                    outputs: vec![4 * rows4 * VALUE_BYTES / 2],
                },
                steps: vec![half_rows.decode(gpu, shape, streams.as_ref())?],
            },
            decode_latent: Program {
                label: "vecodec.decode_latent",
                layout: RowLayout {
                    inputs: vec![4 * latents4 * VALUE_BYTES],
                    scratch: Vec::new(),
                    outputs: vec![rows_out],
                },
                steps: vec![tight_rows.project(gpu, shape, Binding::Input(0))?],
            },
        })
    }
}

/// Weights on the device: `[inputs, outputs]` and `[outputs]`, padded with zeros.
struct Layer {
    weights: Buffer,
    bias: Buffer,
    inputs: usize,
    outputs: usize,
    relu: bool,
}

/// A matrix product with a layer, and where it goes.
struct Product<'a> {
    layer: &'a Layer,
    store: Store,
    output: Binding,
}

/// How rows of the output lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// As f32, padded to four values.
    Padded,
    /// As f32, without padding.
    Tight,
    /// As f16, padded to four values.
    Half,
}

impl Product<'_> {
    /// Of rows or latents.
    fn project(&self, gpu: &Gpu, shape: Shape, values: Binding) -> Result<Step> {
        self.step(gpu, shape, Factor::Values, &[values])
    }

    /// Of codes or streams, each row's product times its scale.
    fn decode(&self, gpu: &Gpu, shape: Shape, streams: Option<&Streams>) -> Result<Step> {
        let mut inputs = vec![Binding::Input(1), Binding::Input(0)];
        let factor = match streams {
            None => Factor::Codes,
            Some(Streams { latents, tables, words, state_bits }) => {
                inputs.extend([latents, tables].map(|b| Binding::Resident(b.clone())));
                Factor::Streams { words: *words, state_bits: *state_bits }
            }
        };
        self.step(gpu, shape, factor, &inputs)
    }

    /// `inputs` are the factor, and what else the kernel reads.
    fn step(&self, gpu: &Gpu, shape: Shape, factor: Factor, inputs: &[Binding]) -> Result<Step> {
        let Layer { weights, bias, inputs: from, outputs: to, relu } = self.layer;
        check_iterations(gpu, iterations(shape, *from))?;
        let variant = product(factor, shape, [*from, *to], *relu, self.store);
        let columns = count(padded(*to) / 4);
        let grid = match shape {
            Shape::Registers => Grid::Line { workgroup: WORKGROUP, rows: REGISTER_ROWS, columns },
            Shape::Tiled => Grid::Tiles { rows: TILE, columns: TILE / 4, of: columns },
        };
        let mut bindings = vec![Binding::Params];
        bindings.extend([weights, bias].map(|buffer| Binding::Resident(buffer.clone())));
        bindings.extend([inputs[0].clone(), self.output.clone()]);
        bindings.extend(inputs[1..].iter().cloned());
        Step::new(gpu, &variant, bindings, grid)
    }
}

/// Iterations of a thread's loops in a product of so many inputs.
fn iterations(shape: Shape, inputs: usize) -> u64 {
    let inputs4 = padded(inputs) as u64 / 4;
    match shape {
        Shape::Registers => inputs4,
        // Inner loops of a fixed length are unrolled, but not those that are bounded too.
        Shape::Tiled if checked() => inputs4.div_ceil(4) * 17,
        Shape::Tiled => inputs4.div_ceil(4),
    }
}

/// Mesa's software adapter ends a thread's loops, all of them counted together, after 65,535
/// iterations without a word: a longer sum would be wrong.
pub(super) fn check_iterations(gpu: &Gpu, required: u64) -> Result<()> {
    const AVAILABLE: u64 = 65_000;
    if gpu.caps().software && required > AVAILABLE {
        let what = "loop iterations";
        return Err(Error::Limit { what, required, available: AVAILABLE });
    }
    Ok(())
}

/// What a matrix product multiplies the weights with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Factor {
    Codes,
    /// Streams of so many words a row; the bits of a trellis' window, or 0.
    Streams {
        words: u32,
        state_bits: u32,
    },
    Values,
}

/// The kernel of a product of `from` inputs and `to` outputs.
pub(super) fn product(
    factor: Factor,
    shape: Shape,
    [from, to]: [usize; 2],
    relu: bool,
    store: Store,
) -> Variant {
    let mut constants = vec![
        ("INPUTS4", (padded(from) / 4) as f64),
        ("OUTPUTS4", (padded(to) / 4) as f64),
        ("OUTPUTS", to as f64),
    ];
    if let Shape::Registers = shape {
        constants.push(("WORKGROUP", f64::from(WORKGROUP)));
    }
    match factor {
        Factor::Codes => {}
        Factor::Values => constants.push(("RELU", f64::from(u8::from(relu)))),
        Factor::Streams { words, state_bits } => constants
            .extend([("STREAM_WORDS", f64::from(words)), ("STATE_BITS", f64::from(state_bits))]),
    }
    let source = match (factor, shape) {
        (Factor::Streams { .. }, Shape::Registers) => &STREAM_REGISTERS,
        (Factor::Streams { .. }, Shape::Tiled) => &STREAM_TILED,
        (Factor::Codes, Shape::Registers) => &DECODE_REGISTERS,
        (Factor::Codes, Shape::Tiled) => &DECODE_TILED,
        (Factor::Values, Shape::Registers) => &PROJECT_REGISTERS,
        (Factor::Values, Shape::Tiled) => &PROJECT_TILED,
    };
    let entry_point = match store {
        Store::Tight if !to.is_multiple_of(4) => "main_ragged",
        Store::Padded | Store::Tight => "main",
        Store::Half => "main_half",
    };
    Variant { source, entry_point, constants }
}

/// The kernel that divides rows of this many vec4s by their norms.
pub(super) fn unit_rows(rows4: u64) -> Variant {
    let constants = vec![("INPUTS4", rows4 as f64), ("WORKGROUP", f64::from(WORKGROUP))];
    Variant { source: &UNIT, entry_point: "main", constants }
}

/// The rows to unit rows in the second scratch buffer, and to their norms.
fn unit(gpu: &Gpu, rows4: u64, norms: Binding) -> Result<Step> {
    check_iterations(gpu, 3 * rows4)?;
    let bindings = vec![Binding::Params, Binding::Input(0), Binding::Scratch(1), norms];
    let grid = Grid::Line { workgroup: WORKGROUP, rows: 1, columns: 1 };
    Step::new(gpu, &unit_rows(rows4), bindings, grid)
}

/// The kernel that quantises latents of this many vec4s.
pub(super) fn quantizer(latents4: u64) -> Variant {
    let constants = vec![("LATENTS4", latents4 as f64), ("WORKGROUP", f64::from(WORKGROUP))];
    Variant { source: &QUANTIZE, entry_point: "main", constants }
}

/// The latents in the first scratch buffer to scales and codes.
fn quantize(gpu: &Gpu, latents4: u64) -> Result<Step> {
    check_iterations(gpu, 2 * latents4)?;
    let bindings =
        vec![Binding::Params, Binding::Scratch(0), Binding::Output(0), Binding::Output(1)];
    let grid = Grid::Line { workgroup: WORKGROUP, rows: 1, columns: 1 };
    Step::new(gpu, &quantizer(latents4), bindings, grid)
}

/// `[outputs, inputs]` as `[inputs, outputs]` on the device, both padded with zeros.
fn transposed(
    gpu: &Gpu,
    label: &str,
    weights: &[f32],
    inputs: usize,
    outputs: usize,
) -> Result<Buffer> {
    let width = padded(outputs);
    let mut values = vec![0.0; padded(inputs) * width];
    for (output, row) in weights.chunks_exact(inputs).enumerate() {
        for (input, value) in row.iter().enumerate() {
            values[input * width + output] = *value;
        }
    }
    resident(gpu, label, &values)
}

fn bias(gpu: &Gpu, label: &str, bias: Option<&[f32]>, outputs: usize) -> Result<Buffer> {
    let mut values = bias.map_or(vec![0.0; outputs], <[f32]>::to_vec);
    values.resize(padded(outputs), 0.0);
    resident(gpu, label, &values)
}

pub(super) fn resident(gpu: &Gpu, label: &str, values: &[f32]) -> Result<Buffer> {
    let (required, available) = (size_of_val(values) as u64, gpu.caps().limits.binding_bytes);
    if required > available {
        return Err(Error::Limit { what: "bytes of weights", required, available });
    }
    gpu.resident(label, values)
}
