//! The four programs: encode, encode to latents, decode, decode from latents.

use wgpu::Buffer;

use super::caps::Kernels;
use super::context::Gpu;
use super::kernel::{Binding, Program, Step, Variant};
use super::product::{Layer, Product, Store, check_iterations};
use super::sources::QUANTIZE;
use super::streams::{Search, Streams, unit};
use super::walk::{WORKGROUP, Walk};
use crate::error::{Error, Result};
use crate::model::{Activation, Model};
use crate::plan::{Grid, RowLayout, padded};

const VALUE_BYTES: u64 = size_of::<f32>() as u64;

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
    pub(crate) fn new(gpu: &Gpu, model: &Model, kernels: Kernels) -> Result<Self> {
        let (config, weights) = (model.config(), model.weights());
        let (dim, latent_dim) = (config.dim, config.latent_dim);
        let (rows4, latents4) = (padded(dim) as u64 / 4, padded(latent_dim) as u64 / 4);
        let relu = config.activation() == Activation::Relu;
        let to_latents = Walk::new(gpu.caps(), kernels, [dim, latent_dim]);
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
            Walk::new(gpu.caps(), kernels, [latent_dim, dim]),
        )?;
        let latents = |store, output| Product { layer: &encoder, store, output };
        let rows = |store| Product { layer: &decoder, store, output: Binding::Output(0) };
        let streams = match model.plan() {
            Some(plan) => Some(Streams::new(gpu, plan)?),
            None => None,
        };
        let search = model.plan().map(|plan| Search::new(plan, config.has_row_scales()));
        let rows_in = vec![4 * rows4 * VALUE_BYTES];
        let latents_in = 4 * latents4 * VALUE_BYTES;
        let coded = vec![VALUE_BYTES, padded(config.packed_size()) as u64];
        let rows_out = dim as u64 * VALUE_BYTES;
        // Rows whose norm is kept beside a stream are divided by it before anything else.
        let divided = search.is_some() && config.has_row_scales();
        let (values, unit_bytes, norm_bytes) = match divided {
            true => (Binding::Scratch(1), rows_in[0], VALUE_BYTES),
            false => (Binding::Input(0), 0, 0),
        };
        let unit = |norms| {
            divided.then(|| unit(gpu, rows4, Binding::Input(0), values.clone(), norms)).transpose()
        };
        let (scratch, steps) = match (&streams, &search) {
            (Some(streams), Some(search)) => {
                let [latent, decisions] = [0, 2].map(Binding::Scratch);
                let projected = latents(Store::Padded, latent.clone()).project(gpu, &values)?;
                let found = streams.search(gpu, search, latent, decisions)?;
                let steps = unit(Binding::Output(0))?.into_iter().chain([projected, found]);
                (vec![latents_in, unit_bytes, search.decision_bytes()], steps.collect())
            }
            _ if to_latents.holds(latent_dim) => {
                (vec![], vec![latents(Store::Codes, Binding::Output(1)).project(gpu, &values)?])
            }
            _ => {
                let projected =
                    latents(Store::Padded, Binding::Scratch(0)).project(gpu, &values)?;
                // Threads that share a row read it together; a software adapter has no use for it.
                let threads = match to_latents {
                    Walk::Registers { .. } => [WORKGROUP, 1],
                    _ => [4 * WORKGROUP, 16],
                };
                (vec![latents_in], vec![projected, quantize(gpu, latents4, threads)?])
            }
        };
        let encode = Program {
            label: "vecodec.encode",
            layout: RowLayout { inputs: rows_in.clone(), scratch, outputs: coded.clone() },
            steps,
        };
        let projected = latents(Store::Tight, Binding::Output(0)).project(gpu, &values)?;
        let encode_latent = Program {
            label: "vecodec.encode_latent",
            layout: RowLayout {
                inputs: rows_in,
                scratch: vec![0, unit_bytes, norm_bytes],
                outputs: vec![latent_dim as u64 * VALUE_BYTES],
            },
            steps: unit(Binding::Scratch(2))?.into_iter().chain([projected]).collect(),
        };
        let one_step = |label, inputs, row_bytes, step| {
            let layout = RowLayout { inputs, scratch: vec![], outputs: vec![row_bytes] };
            Program { label, layout, steps: vec![step] }
        };
        Ok(Self {
            encode,
            encode_latent,
            decode: one_step(
                "vecodec.decode",
                coded.clone(),
                rows_out,
                rows(Store::Tight).decode(gpu, streams.as_ref())?,
            ),
            decode_half: one_step(
                "vecodec.decode_half",
                coded,
                4 * rows4 * VALUE_BYTES / 2,
                rows(Store::Half).decode(gpu, streams.as_ref())?,
            ),
            decode_latent: one_step(
                "vecodec.decode_latent",
                vec![latents_in],
                rows_out,
                rows(Store::Tight).project(gpu, &Binding::Input(0))?,
            ),
        })
    }
}

/// The kernel that quantises latents of this many vec4s, with so many threads a workgroup and a row.
pub(super) fn quantizer(latents4: u64, [workgroup, lanes]: [u32; 2]) -> Variant {
    let constants = vec![
        ("LATENTS4", latents4 as f64),
        ("WORKGROUP", f64::from(workgroup)),
        ("LANES", f64::from(lanes)),
    ];
    Variant { source: QUANTIZE, constants }
}

/// The latents in the first scratch buffer to scales and codes.
fn quantize(gpu: &Gpu, latents4: u64, [workgroup, lanes]: [u32; 2]) -> Result<Step> {
    check_iterations(gpu, 2 * latents4.div_ceil(lanes.into()) + u64::from(lanes))?;
    let bindings =
        vec![Binding::Params, Binding::Scratch(0), Binding::Output(0), Binding::Output(1)];
    let grid = Grid::Line { workgroup, rows: 1, columns: lanes };
    Step::new(gpu, &quantizer(latents4, [workgroup, lanes]), bindings, grid)
}

pub(super) fn resident(gpu: &Gpu, label: &str, values: &[f32]) -> Result<Buffer> {
    let (required, available) = (size_of_val(values) as u64, gpu.caps().limits.binding_bytes);
    if required > available {
        return Err(Error::Limit { what: "bytes of weights", required, available });
    }
    gpu.resident(label, values)
}
