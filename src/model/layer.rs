//! A model's linear layers, in one form for all versions of models.

use std::borrow::Cow;

use crate::bit_codes::BitPlan;
use crate::linear::{Weights, linear_with, wide_products};
use crate::mixture::center_rows;

/// How far `W^T W` may be from the identity, as a Frobenius norm, where [`Layer::is_orthonormal`] says yes. Weights in
/// `f32` of a fit leave some 1e-7; squared lengths are then as right as `f32` holds them.
const ORTHONORMAL_WITHIN: f64 = 1e-6;

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

    /// Whether `W x` is as long as `x`: the weights of the inputs are orthonormal.
    pub(crate) fn is_orthonormal(&self) -> bool {
        if self.inputs > self.outputs {
            return false;
        }
        let columns: Vec<f64> = self.by_input().iter().map(|weight| f64::from(*weight)).collect();
        let mut gram = vec![0.0; self.inputs * self.inputs];
        wide_products(&mut gram, &columns, &columns, self.outputs);
        gram.iter_mut().step_by(self.inputs + 1).for_each(|square| *square -= 1.0);
        gram.iter().map(|error| error * error).sum::<f64>().sqrt() <= ORTHONORMAL_WITHIN
    }

    /// The weight of an input for an output.
    pub(crate) fn weight(&self, output: usize, input: usize) -> f32 {
        match self.transposed {
            true => self.weights[input * self.outputs + output],
            false => self.weights[output * self.inputs + input],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthonormal_columns_are_found_in_both_layouts() {
        let by_output = |weights: &[f32], inputs| {
            let (bias, outputs) = (None, weights.len() / inputs);
            Layer { weights, transposed: false, bias, inputs, outputs }.is_orthonormal()
        };
        assert!(by_output(&[0.6, -0.8, 0.8, 0.6, 0.0, 0.0], 2));
        // Columns of other lengths, columns that are not orthogonal, and more columns than rows.
        assert!(!by_output(&[0.6, -0.8, 0.8, 0.601, 0.0, 0.0], 2));
        assert!(!by_output(&[1.0, 0.6, 0.0, 0.8, 0.0, 0.0], 2));
        assert!(!by_output(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], 3));

        let weights = [0.6, 0.8, 0.0, -0.8, 0.6, 0.0];
        let layer =
            Layer { weights: &weights, transposed: true, bias: None, inputs: 2, outputs: 3 };
        assert!(layer.is_orthonormal());
    }
}
