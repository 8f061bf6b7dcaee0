//! Matrix products with a layer's weights: how they are walked, and the kernels that do it.

use half::f16;
use wgpu::Buffer;

use super::caps::{Caps, Kernels, Precision, Shape, Tile, tile};
use super::context::Gpu;
use super::kernel::{Binding, Source, Step, Variant};
use super::programs::resident;
use super::streams::Streams;
use crate::error::{Error, Result};
use crate::plan::{Grid, count, padded};

/// Threads of a one-dimensional workgroup.
pub(super) const WORKGROUP: u32 = 64;
/// `ROWS` in `shaders/shared/registers.wgsl`.
pub(super) const REGISTER_ROWS: u32 = 12;

/// How a product is walked. `half`: with weights of f16, read as f32.
#[derive(Clone, Copy, Debug)]
pub(super) enum Walk {
    Registers {
        half: bool,
    },
    Tiled {
        tile: Tile,
        half: bool,
    },
    /// On matrix units of so many rows and columns, with weights of f16.
    Matrix {
        side: u32,
    },
}

impl Walk {
    /// The one for a product of so many outputs.
    pub(super) fn new(caps: &Caps, kernels: Kernels, outputs: usize) -> Self {
        let half = kernels.precision == Precision::F16;
        match (caps.on_matrix_units(kernels), kernels.shape.unwrap_or(caps.shape)) {
            (Some(side), _) => Self::Matrix { side },
            (None, Shape::Registers) => Self::Registers { half },
            (None, Shape::Tiled) => Self::Tiled { tile: tile(outputs), half },
        }
    }

    /// Rows and vec4s of outputs of a workgroup's tile.
    pub(super) fn tile(self) -> Option<(u32, u32)> {
        match self {
            Self::Registers { .. } => None,
            Self::Tiled { tile: Tile { across, down, rows4, columns4, .. }, .. } => {
                Some((4 * down * rows4, across * columns4))
            }
            Self::Matrix { side } => Some((4 * side, 2 * side)),
        }
    }

    /// Whether a workgroup holds a row's whole output.
    pub(super) fn holds(self, outputs: usize) -> bool {
        self.tile().is_some_and(|(_, columns4)| padded(outputs) / 4 <= columns4 as usize)
    }

    fn grid(self, outputs: usize) -> Grid {
        let of = count(padded(outputs) / 4);
        match self.tile() {
            None => Grid::Line { workgroup: WORKGROUP, rows: REGISTER_ROWS, columns: of },
            Some((rows, columns)) => Grid::Tiles { rows, columns, of },
        }
    }

    /// Iterations of a thread's loops in a product of so many inputs, at most.
    fn iterations(self, inputs: usize) -> u64 {
        let inputs4 = padded(inputs) as u64 / 4;
        match self {
            Self::Registers { .. } => inputs4,
            Self::Tiled { tile: Tile { step4, .. }, .. } => {
                // A step's own, its inputs', and at most as many that fill the tiles.
                inputs4.div_ceil(step4.into()) * (1 + 8 * u64::from(step4))
            }
            // Where there are matrix units, loops are not limited.
            Self::Matrix { .. } => inputs4,
        }
    }

    fn constants(self, inputs: usize) -> Vec<(&'static str, f64)> {
        match self {
            Self::Registers { .. } => vec![("WORKGROUP", WORKGROUP.into())],
            Self::Tiled { tile: Tile { across, down, rows4, columns4, step4 }, .. } => [
                ("ACROSS", across),
                ("DOWN", down),
                ("ROWS4", rows4),
                ("COLUMNS4", columns4),
                ("STEP4", step4),
                ("TALL", 4 * down * rows4),
                ("X_SIZE", 4 * step4 * down * rows4),
                ("W_SIZE", 4 * step4 * across * columns4),
            ]
            .map(|(name, value)| (name, value.into()))
            .into(),
            Self::Matrix { .. } => vec![("INPUTS8", inputs.div_ceil(8) as f64)],
        }
    }
}

/// A linear layer's weights on the device, as its walk wants them, padded with zeros.
pub(super) struct Layer {
    weights: Buffer,
    bias: Buffer,
    inputs: usize,
    outputs: usize,
    relu: bool,
    walk: Walk,
    /// What the sums are multiplied with.
    unit: f32,
}

impl Layer {
    /// `weights` are `[outputs, inputs]`.
    pub(super) fn new(
        gpu: &Gpu,
        [label, bias_label]: [&'static str; 2],
        (weights, bias): (&[f32], Option<&[f32]>),
        [inputs, outputs]: [usize; 2],
        relu: bool,
        walk: Walk,
    ) -> Result<Self> {
        // Matrix units want a column's inputs side by side, the others an input's columns.
        let strides = match walk {
            Walk::Matrix { .. } => [1, inputs.next_multiple_of(8)],
            _ => [padded(outputs), 1],
        };
        let mut values = vec![0.0; inputs.next_multiple_of(8) * padded(outputs)];
        for (output, row) in weights.chunks_exact(inputs).enumerate() {
            for (input, value) in row.iter().enumerate() {
                values[input * strides[0] + output * strides[1]] = *value;
            }
        }
        let (weights, unit) = match walk {
            Walk::Registers { half: false } | Walk::Tiled { half: false, .. } => (values, 1.0),
            _ => halves(values),
        };
        let mut values = bias.map_or(vec![0.0; outputs], <[f32]>::to_vec);
        values.resize(padded(outputs), 0.0);
        let weights = resident(gpu, label, &weights)?;
        let bias = resident(gpu, bias_label, &values)?;
        Ok(Self { weights, bias, inputs, outputs, relu, walk, unit })
    }
}

/// Pairs of f16 in the place of one f32, and what to multiply sums with. The largest is brought near
/// 2^14 by a power of two, so that the small ones stay clear of the smallest f16.
fn halves(mut values: Vec<f32>) -> (Vec<f32>, f32) {
    let largest = values.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
    let exponent = if largest > 0.0 { 13 - largest.log2().floor() as i32 } else { 0 };
    // The unit must be a normal number, too.
    let exponent = exponent.clamp(-120, 120);
    values.iter_mut().for_each(|value| *value *= 2f32.powi(exponent));
    let bits = |value: f32| u32::from(f16::from_f32(value).to_bits());
    let pair = |pair: &[f32]| f32::from_bits(bits(pair[0]) | bits(pair[1]) << 16);
    (values.chunks_exact(2).map(pair).collect(), 2f32.powi(-exponent))
}

/// A matrix product with a layer, and what becomes of it.
pub(super) struct Product<'a> {
    pub(super) layer: &'a Layer,
    pub(super) store: Store,
    pub(super) output: Binding,
}

/// What becomes of the rows of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// Kept as f32, padded to four values.
    Padded,
    /// Kept as f32, without padding.
    Tight,
    /// Kept as f16, padded to four values.
    Half,
    /// Quantised to codes; scales are the first section of the output.
    Codes,
}

impl Product<'_> {
    /// Of rows or latents.
    pub(super) fn project(&self, gpu: &Gpu, values: &Binding) -> Result<Step> {
        let mut inputs = vec![values.clone()];
        if self.store == Store::Codes {
            inputs.push(Binding::Output(0));
        }
        self.step(gpu, Factor::Values, &inputs)
    }

    /// Of codes or streams, each row's product times its scale.
    pub(super) fn decode(&self, gpu: &Gpu, streams: Option<&Streams>) -> Result<Step> {
        let mut inputs = vec![Binding::Input(1), Binding::Input(0)];
        let factor = match streams {
            None => Factor::Codes,
            Some(Streams { latents, tables, words, state_bits }) => {
                inputs.extend([latents, tables].map(|b| Binding::Resident(b.clone())));
                Factor::Streams { words: *words, state_bits: *state_bits }
            }
        };
        self.step(gpu, factor, &inputs)
    }

    /// `inputs` are the factor, and what else the kernel touches.
    fn step(&self, gpu: &Gpu, factor: Factor, inputs: &[Binding]) -> Result<Step> {
        let Self { layer, store, output } = self;
        check_iterations(gpu, layer.walk.iterations(layer.inputs))?;
        let variant = product(
            factor,
            layer.walk,
            [layer.inputs, layer.outputs],
            (layer.relu, layer.unit),
            *store,
        );
        let mut bindings = vec![Binding::Params];
        bindings.extend([&layer.weights, &layer.bias].map(|b| Binding::Resident(b.clone())));
        bindings.extend([inputs[0].clone(), output.clone()]);
        bindings.extend(inputs[1..].iter().cloned());
        Step::new(gpu, &variant, bindings, layer.walk.grid(layer.outputs))
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
    walk: Walk,
    [from, to]: [usize; 2],
    (relu, unit): (bool, f32),
    store: Store,
) -> Variant {
    let mut constants = vec![
        ("INPUTS4", (padded(from) / 4) as f64),
        ("OUTPUTS4", (padded(to) / 4) as f64),
        ("OUTPUTS", to as f64),
        ("UNIT", unit.into()),
    ];
    constants.extend(walk.constants(from));
    match factor {
        Factor::Codes => {}
        Factor::Values => constants.push(("RELU", f64::from(u8::from(relu)))),
        Factor::Streams { words, state_bits } => constants
            .extend([("STREAM_WORDS", f64::from(words)), ("STATE_BITS", f64::from(state_bits))]),
    }
    let entry_point = match store {
        Store::Tight if !to.is_multiple_of(4) => "main_ragged",
        Store::Padded | Store::Tight => "main",
        Store::Half => "main_half",
        Store::Codes => "main_codes",
    };
    Variant { source: source_of(factor, walk, store), entry_point, constants }
}

macro_rules! source {
    ($label:literal: $($file:literal),+) => {
        Source {
            label: concat!("vecodec.", $label),
            files: &[$(include_str!(concat!("../../shaders/", $file, ".wgsl"))),+],
        }
    };
}

pub(super) use source;

/// The files of a walk with each kind of weights, before and after what a kernel adds.
macro_rules! walked {
    ($walk:expr, $label:literal: $($file:literal),+) => {
        match $walk {
            Walk::Registers { half: false } => source!(
                $label: "shared/params", "shared/weights", "shared/product", "shared/registers",
                $($file),+
            ),
            Walk::Registers { half: true } => source!(
                $label: "shared/params", "shared/weights_half", "shared/product",
                "shared/registers", $($file),+
            ),
            Walk::Tiled { half: false, .. } => source!(
                $label: "shared/params", "shared/weights", "shared/product", "shared/tiled",
                $($file),+
            ),
            Walk::Tiled { half: true, .. } => source!(
                $label: "shared/params", "shared/weights_half", "shared/product", "shared/tiled",
                $($file),+
            ),
            Walk::Matrix { side: 8 } => source!(
                $label: "shared/matrix8", "shared/params", "shared/product", "shared/matrix",
                $($file),+
            ),
            Walk::Matrix { .. } => source!(
                $label: "shared/matrix16", "shared/params", "shared/product", "shared/matrix",
                $($file),+
            ),
        }
    };
}

fn source_of(factor: Factor, walk: Walk, store: Store) -> Source {
    match (factor, store, walk) {
        (Factor::Codes, ..) => walked!(walk, "decode": "decode"),
        (Factor::Streams { .. }, ..) => walked!(walk, "decode_stream": "decode_stream"),
        (Factor::Values, Store::Codes, Walk::Matrix { .. }) => {
            walked!(walk, "encode": "shared/quantizer", "project", "encode_matrix")
        }
        (Factor::Values, Store::Codes, _) => {
            walked!(walk, "encode": "shared/quantizer", "project", "encode_tiled")
        }
        (Factor::Values, ..) => walked!(walk, "project": "project"),
    }
}

/// Latents to codes and scales.
pub(super) const QUANTIZE: Source =
    source!("quantize": "shared/params", "shared/quantizer", "quantize");
