//! A model's linear layers, in one form for all versions of models.

use std::borrow::Cow;

use crate::bit_codes::BitPlan;
use crate::linear::{Weights, linear_with};
use crate::mixture::center_rows;

/// A linear layer: `out = W x + bias`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a> {
    /// `[outputs, inputs]`, or `[inputs, outputs]` if transposed.
    pub(crate) weights: &'a [f32],
    pub(crate) transposed: bool,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

/// The codec of a region: `z = encoder(x - centroid)`, `x^ = decoder(q)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegionLayers<'a> {
    /// What is subtracted from a row first; nothing if none.
    pub(crate) centroid: Option<&'a [f32]>,
    pub(crate) encoder: Layer<'a>,
    pub(crate) decoder: Layer<'a>,
    /// How latents become bits; none with 8-bit codes.
    pub(crate) plan: Option<&'a BitPlan>,
}

impl RegionLayers<'_> {
    /// Computes latents `[n, latents]` of rows `[n, dim]` before an activation, on the calling thread.
    /// `centered` is memory for the rows without the centroid.
    pub(crate) fn encode(&self, rows: &[f32], centered: &mut Vec<f32>, latents: &mut [f32]) {
        match self.centroid {
            None => self.encoder.apply(rows, latents),
            Some(centroid) => {
                centered.resize(rows.len(), 0.0);
                center_rows(rows, centroid, centered);
                self.encoder.apply(centered, latents);
            }
        }
    }
}

impl Layer<'_> {
    /// Computes rows `[n, outputs]` from `x [n, inputs]`, on the calling thread.
    pub(crate) fn apply(&self, x: &[f32], out: &mut [f32]) {
        let weights = Weights { values: self.weights, transposed: self.transposed };
        linear_with(out, x, weights, self.bias, self.inputs);
    }

    /// The weights as `[inputs, outputs]`.
    pub(crate) fn by_input(&self) -> Cow<'_, [f32]> {
        match self.transposed {
            true => self.weights.into(),
            false => (0..self.inputs)
                .flat_map(|input| (0..self.outputs).map(move |output| self.weight(output, input)))
                .collect::<Vec<f32>>()
                .into(),
        }
    }

    /// The weight of an input for an output.
    pub(crate) fn weight(&self, output: usize, input: usize) -> f32 {
        match self.transposed {
            true => self.weights[input * self.outputs + output],
            false => self.weights[output * self.inputs + input],
        }
    }
}
