//! Matrix products with a layer's weights, and the kernels that do them.

use half::f16;
use wgpu::Buffer;

use super::context::Gpu;
use super::kernel::{Binding, Step, Variant};
use super::programs::resident;
use super::sources::source_of;
use super::streams::Streams;
use super::walk::{SIDE, Walk, blocks};
use crate::error::{Error, Result};
use crate::plan::padded;

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
        let walk = factor.walk(layer.walk, layer.inputs);
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

impl Factor {
    /// The walk of a product with a layer that is walked so.
    pub(super) fn walk(self, of_layer: Walk, inputs: usize) -> Walk {
        match self {
            Self::Codes => of_layer.of_codes(inputs),
            _ => of_layer,
        }
    }
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
