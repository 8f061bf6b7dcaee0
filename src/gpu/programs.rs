//! The four programs: encode, encode to latents, decode, decode from latents.

use wgpu::Buffer;

use super::caps::Kernels;
use super::context::Gpu;
use super::kernel::{Binding, Program, Step, Variant};
use super::product::{Layer, Product, QUANTIZE, Store, WORKGROUP, Walk, check_iterations};
use crate::error::{Error, Result};
use crate::model::{Activation, Model};
use crate::plan::{Grid, RowLayout, count, padded};
use crate::stream::{BitPlan, MAX_WIDTH};

const VALUE_BYTES: u64 = size_of::<f32>() as u64;

/// The programs of one model on one device, over weights that are there once.
pub(crate) struct Programs {
    /// Rows to codes: input rows, outputs scales and packed codes.
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
    pub(crate) fn new(gpu: &Gpu, model: &Model, kernels: Kernels) -> Result<Self> {
        let (config, weights) = (model.config(), model.weights());
        let (dim, latent_dim) = (config.dim, config.latent_dim);
        let (rows4, latents4) = (padded(dim) as u64 / 4, padded(latent_dim) as u64 / 4);
        let relu = config.activation == Activation::Relu;
        let to_latents = Walk::new(gpu.caps(), kernels, latent_dim);
        let encoder = Layer::new(
            gpu,
            ["vecodec.encoder", "vecodec.encoder.bias"],
            (&weights.encoder, weights.encoder_bias.as_deref()),
            [dim, latent_dim],
            relu,
            to_latents,
        )?;
        let decoder = Layer::new(
            gpu,
            ["vecodec.decoder", "vecodec.decoder.bias"],
            (&weights.decoder, weights.decoder_bias.as_deref()),
            [latent_dim, dim],
            false,
            Walk::new(gpu.caps(), kernels, dim),
        )?;
        let latents = |store, output| Product { layer: &encoder, store, output };
        let rows = |store| Product { layer: &decoder, store, output: Binding::Output(0) };
        let streams = match model.plan() {
            Some(plan) => Some(Streams::new(gpu, plan)?),
            None => None,
        };
        let rows_in = vec![4 * rows4 * VALUE_BYTES];
        let codes_in = vec![VALUE_BYTES, padded(config.packed_size()) as u64];
        let codes_out = vec![VALUE_BYTES, 4 * latents4];
        let rows_out = dim as u64 * VALUE_BYTES;
        let encode = if to_latents.holds(latent_dim) {
            Program {
                label: "vecodec.encode",
                layout: RowLayout { inputs: rows_in.clone(), scratch: 0, outputs: codes_out },
                steps: vec![latents(Store::Codes, Binding::Output(1)).project(gpu)?],
            }
        } else {
            let scratch = 4 * latents4 * VALUE_BYTES;
            let projected = latents(Store::Padded, Binding::Scratch).project(gpu)?;
            Program {
                label: "vecodec.encode",
                layout: RowLayout { inputs: rows_in.clone(), scratch, outputs: codes_out },
                steps: vec![projected, quantize(gpu, latents4)?],
            }
        };
        let one_step = |label, inputs, row_bytes, step| {
            let layout = RowLayout { inputs, scratch: 0, outputs: vec![row_bytes] };
            Program { label, layout, steps: vec![step] }
        };
        Ok(Self {
            encode,
            encode_latent: one_step(
                "vecodec.encode_latent",
                rows_in,
                latent_dim as u64 * VALUE_BYTES,
                latents(Store::Tight, Binding::Output(0)).project(gpu)?,
            ),
            decode: one_step(
                "vecodec.decode",
                codes_in.clone(),
                rows_out,
                rows(Store::Tight).decode(gpu, streams.as_ref())?,
            ),
            decode_half: one_step(
                "vecodec.decode_half",
                codes_in,
                4 * rows4 * VALUE_BYTES / 2,
                rows(Store::Half).decode(gpu, streams.as_ref())?,
            ),
            decode_latent: one_step(
                "vecodec.decode_latent",
                vec![4 * latents4 * VALUE_BYTES],
                rows_out,
                rows(Store::Tight).project(gpu)?,
            ),
        })
    }
}

/// A bit plan on the device.
pub(super) struct Streams {
    /// For four latents each: ends and widths, then steps.
    pub(super) latents: Buffer,
    /// One table after the other, by width.
    pub(super) tables: Buffer,
    pub(super) words: u32,
    pub(super) state_bits: u32,
}

impl Streams {
    fn new(gpu: &Gpu, plan: &BitPlan) -> Result<Self> {
        let count4 = padded(plan.latents()) / 4;
        // Padding reads the first bit, and counts nothing: its step is zero.
        let mut latents = vec![[1 | 1 << 16, 0u32]; 4 * count4];
        let parts = plan.ends().iter().zip(plan.widths()).zip(plan.steps());
        for (latent, ((end, width), step)) in latents.iter_mut().zip(parts) {
            *latent = [end | u32::from(*width) << 16, step.to_bits()];
        }
        let column = |four: &[[u32; 2]], at: usize| four.iter().map(|l| l[at]).collect::<Vec<_>>();
        let words: Vec<u32> = latents
            .chunks_exact(4)
            .flat_map(|four| [column(four, 0), column(four, 1)])
            .flatten()
            .collect();
        let table = |width: u8| {
            let mut table = plan.table(width).to_vec();
            table.resize(1 << plan.window().bits(width), 0.0);
            table
        };
        let tables: Vec<f32> = (1..=MAX_WIDTH as u8).flat_map(table).collect();
        Ok(Self {
            latents: resident(gpu, "vecodec.latents", bytemuck::cast_slice(&words))?,
            tables: resident(gpu, "vecodec.tables", &tables)?,
            words: count(padded(plan.stream_bytes()) / 4),
            state_bits: plan.window().state_bits(),
        })
    }
}

/// The kernel that quantises latents of this many vec4s.
pub(super) fn quantizer(latents4: u64) -> Variant {
    let constants = vec![("LATENTS4", latents4 as f64), ("WORKGROUP", f64::from(WORKGROUP))];
    Variant { source: QUANTIZE, entry_point: "main", constants }
}

/// The latents in the scratch buffer to scales and codes.
fn quantize(gpu: &Gpu, latents4: u64) -> Result<Step> {
    check_iterations(gpu, 2 * latents4)?;
    let bindings = vec![Binding::Params, Binding::Scratch, Binding::Output(0), Binding::Output(1)];
    let grid = Grid::Line { workgroup: WORKGROUP, rows: 1, columns: 1 };
    Step::new(gpu, &quantizer(latents4), bindings, grid)
}

pub(super) fn resident(gpu: &Gpu, label: &str, values: &[f32]) -> Result<Buffer> {
    let (required, available) = (size_of_val(values) as u64, gpu.caps().limits.binding_bytes);
    if required > available {
        return Err(Error::Limit { what: "bytes of weights", required, available });
    }
    gpu.resident(label, values)
}
