//! Matrix products with a layer's weights: how they are walked, and the kernels that do it.

use half::f16;
use wgpu::Buffer;

use super::caps::{Caps, Kernels, Precision, Shape, Tile, tile};
use super::context::Gpu;
use super::kernel::{Binding, Step, Variant};
use super::programs::resident;
use super::sources::source_of;
use super::streams::Streams;
use crate::error::{Error, Result};
use crate::plan::{Grid, count, padded};

/// Threads of a one-dimensional workgroup.
pub(super) const WORKGROUP: u32 = 64;
/// `ROWS` in `shaders/shared/registers.wgsl`.
pub(super) const REGISTER_ROWS: u32 = 12;
/// `SIDE` in `shaders/shared/matrix16.wgsl`.
const SIDE: u32 = 16;
/// Workgroups that share a column of stationary weights, at most: enough for a large GPU, and few
/// enough that loading the weights is little of their work.
const STRIDES: u32 = 512;

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
    /// On matrix units of so many rows and columns, with factors of f16, or each `split` in two.
    Matrix {
        side: u32,
        split: bool,
    },
    /// The same on units of 16 x 16, for codes, while the weights stay in registers.
    Stationary {
        split: bool,
    },
}

impl Walk {
    /// The one for a product of so many inputs and outputs.
    pub(super) fn new(caps: &Caps, kernels: Kernels, [inputs, outputs]: [usize; 2]) -> Self {
        // Every sixteen inputs are one more rounding of the sum, and always downwards.
        const MOST_SPLIT: usize = 2048;
        let half = kernels.precision == Precision::F16;
        let side = caps.on_matrix_units(kernels).filter(|_| half || inputs <= MOST_SPLIT);
        match (side, kernels.shape.unwrap_or(caps.shape)) {
            (Some(side), _) => Self::Matrix { side, split: !half },
            (None, Shape::Registers) => Self::Registers { half },
            (None, Shape::Tiled) => Self::Tiled { tile: tile(outputs), half },
        }
    }

    /// The one for this factor over the same weights.
    pub(super) fn of(self, factor: Factor, inputs: usize) -> Self {
        match (self, factor) {
            // `shaders/shared/stationary.wgsl` has room for sixteen matrices of weights.
            (Self::Matrix { side: 16, split }, Factor::Codes)
                if inputs <= if split { 128 } else { 256 } =>
            {
                Self::Stationary { split }
            }
            _ => self,
        }
    }

    /// Rows and vec4s of outputs of a workgroup's tile.
    pub(super) fn tile(self) -> Option<(u32, u32)> {
        match self {
            Self::Registers { .. } => None,
            Self::Tiled { tile: Tile { across, down, rows4, columns4, .. }, .. } => {
                Some((4 * down * rows4, across * columns4))
            }
            // `DOWN` in `shaders/shared/matrix_split.wgsl` and `matrix_once.wgsl`.
            Self::Matrix { side, split } => Some((if split { 4 } else { 8 } * side, 2 * side)),
            Self::Stationary { .. } => Some((SIDE, 2 * SIDE)),
        }
    }

    /// Whether a workgroup holds a row's whole output.
    pub(super) fn holds(self, outputs: usize) -> bool {
        self.tile().is_some_and(|(_, columns4)| padded(outputs) / 4 <= columns4 as usize)
    }

    fn grid(self, outputs: usize) -> Grid {
        let of = count(padded(outputs) / 4);
        match (self, self.tile()) {
            (_, None) => Grid::Line { workgroup: WORKGROUP, rows: REGISTER_ROWS, columns: of },
            (Self::Stationary { .. }, Some((rows, columns))) => {
                Grid::Strided { rows, columns, of, most: STRIDES }
            }
            (_, Some((rows, columns))) => Grid::Tiles { rows, columns, of },
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
            Self::Matrix { .. } | Self::Stationary { .. } => inputs4,
        }
    }

    fn constants(self, inputs: usize, outputs: usize) -> Vec<(&'static str, f64)> {
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
            Self::Matrix { side, .. } => {
                let [down, across] = blocks(side, [inputs, outputs]);
                vec![("BLOCKS_DOWN", down as f64), ("BLOCKS_ACROSS", across as f64)]
            }
            Self::Stationary { split } => {
                let [down, across] = blocks(SIDE, [inputs, outputs]);
                let stride = SIDE as usize * across + 8;
                vec![
                    ("BLOCKS_DOWN", down as f64),
                    ("BLOCKS_ACROSS", across as f64),
                    ("STRIDE", stride as f64),
                    ("X_VECTORS", (SIDE as usize * stride / 4) as f64),
                    ("HELD", if across > 8 { across / 2 } else { across } as f64),
                    ("SPLIT", f64::from(u8::from(split))),
                ]
            }
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
        let (weights, unit) = match walk {
            Walk::Registers { half } | Walk::Tiled { half, .. } => {
                let values = by_input(weights, [inputs, outputs]);
                if half { halved(values) } else { (values, 1.0) }
            }
            Walk::Matrix { side, split } => in_blocks(weights, [inputs, outputs], side, split),
            Walk::Stationary { split } => in_blocks(weights, [inputs, outputs], SIDE, split),
        };
        let mut values = bias.map_or(vec![0.0; outputs], <[f32]>::to_vec);
        values.resize(padded(outputs), 0.0);
        let weights = resident(gpu, label, &weights)?;
        let bias = resident(gpu, bias_label, &values)?;
        Ok(Self { weights, bias, inputs, outputs, relu, walk, unit })
    }
}

/// Weights `[inputs, outputs]`, both padded to four.
fn by_input(weights: &[f32], [inputs, outputs]: [usize; 2]) -> Vec<f32> {
    let mut values = vec![0.0; padded(inputs) * padded(outputs)];
    for (output, row) in weights.chunks_exact(inputs).enumerate() {
        for (input, value) in row.iter().enumerate() {
            values[input * padded(outputs) + output] = *value;
        }
    }
    values
}

/// `BLOCKS_DOWN` and `BLOCKS_ACROSS` in `shaders/shared/matrix.wgsl`: whole steps of 32 inputs at
/// most, and two halves of them where stationary weights come in two.
fn blocks(side: u32, [inputs, outputs]: [usize; 2]) -> [usize; 2] {
    let (side, step) = (side as usize, if inputs > 128 { 64 } else { 32 });
    [outputs.div_ceil(side), inputs.next_multiple_of(step) / side]
}

/// Weights as the matrix units load them, matrix by matrix, each followed by what rounding it to f16
/// left if they are `split`; and what to multiply sums with.
fn in_blocks(weights: &[f32], shape: [usize; 2], side: u32, split: bool) -> (Vec<f32>, f32) {
    let [down, across] = blocks(side, shape);
    let (side, parts) = (side as usize, if split { 2 } else { 1 });
    let (scale, unit) = scale(weights);
    let mut values = vec![0.0; down * across * parts * side * side];
    for (output, row) in weights.chunks_exact(shape[0]).enumerate() {
        for (input, value) in row.iter().enumerate() {
            let matrix = (output / side * across + input / side) * parts;
            let at = matrix * side * side + output % side * side + input % side;
            let scaled = value * scale;
            values[at] = scaled;
            if split {
                values[at + side * side] = scaled - f16::from_f32(scaled).to_f32();
            }
        }
    }
    (pairs(&values), unit)
}

/// The same as f16, and what to multiply sums with.
fn halved(mut values: Vec<f32>) -> (Vec<f32>, f32) {
    let (scale, unit) = scale(&values);
    values.iter_mut().for_each(|value| *value *= scale);
    (pairs(&values), unit)
}

/// A power of two that brings the largest near 2^14, so that the small ones stay clear of the smallest
/// f16, and its reverse.
fn scale(values: &[f32]) -> (f32, f32) {
    let largest = values.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
    let exponent = if largest > 0.0 { 13 - largest.log2().floor() as i32 } else { 0 };
    // The reverse must be a normal number, too.
    let exponent = exponent.clamp(-120, 120);
    (2f32.powi(exponent), 2f32.powi(-exponent))
}

/// Two f16 in the place of one f32.
fn pairs(values: &[f32]) -> Vec<f32> {
    let bits = |value: f32| u32::from(f16::from_f32(value).to_bits());
    let pair = |pair: &[f32]| f32::from_bits(bits(pair[0]) | bits(pair[1]) << 16);
    values.chunks_exact(2).map(pair).collect()
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
        let walk = layer.walk.of(factor, layer.inputs);
        check_iterations(gpu, walk.iterations(layer.inputs))?;
        let variant =
            product(factor, walk, [layer.inputs, layer.outputs], (layer.relu, layer.unit), *store);
        let mut bindings = vec![Binding::Params];
        bindings.extend([&layer.weights, &layer.bias].map(|b| Binding::Resident(b.clone())));
        bindings.extend([inputs[0].clone(), output.clone()]);
        bindings.extend(inputs[1..].iter().cloned());
        Step::new(gpu, &variant, bindings, walk.grid(layer.outputs))
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
        ("UNIT", unit.into()),
    ];
    constants.extend(walk.constants(from, to));
    match factor {
        Factor::Codes => {}
        Factor::Values => constants.push(("RELU", f64::from(u8::from(relu)))),
        Factor::Streams { words, state_bits } => constants
            .extend([("STREAM_WORDS", f64::from(words)), ("STATE_BITS", f64::from(state_bits))]),
    }
    let ragged = store == Store::Tight && !to.is_multiple_of(4);
    if ragged {
        constants.push(("OUTPUTS", to as f64));
    }
    Variant { source: source_of(factor, walk, store, ragged), constants }
}
