//! The numbers of a model, and the checks they pass on the way in.

use super::config::ModelConfig;
use crate::error::{Error, Result};

/// The names the tensors have in files and in errors.
pub(crate) const ENCODER: &str = "encoder.weight";
pub(crate) const ENCODER_BIAS: &str = "encoder.bias";
pub(crate) const DECODER: &str = "decoder.weight";
pub(crate) const DECODER_BIAS: &str = "decoder.bias";

/// Weights of an encoder and a decoder, row-major, as a PyTorch `nn.Linear` stores them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// `[latent, dim]`
    pub encoder: Vec<f32>,
    /// `[latent]`, or none
    pub encoder_bias: Option<Vec<f32>>,
    /// `[dim, latent]`
    pub decoder: Vec<f32>,
    /// `[dim]`, or none
    pub decoder_bias: Option<Vec<f32>>,
}

impl Weights {
    /// The tensors that are there, by name.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        let Self { encoder, encoder_bias, decoder, decoder_bias } = self;
        [
            (ENCODER, Some(encoder)),
            (ENCODER_BIAS, encoder_bias.as_ref()),
            (DECODER, Some(decoder)),
            (DECODER_BIAS, decoder_bias.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, values)| Some((name, values?.as_slice())))
    }

    /// The bias of an encoder that is given rows without the decoder's bias: `be + We bd`. There is one
    /// where the encoder's own bias does little but subtract the rows' mean, which the decoder's bias
    /// adds again. Rows far from zero then lose no digits: `We x` would be as large as the mean, and
    /// its rounding as large as the latents.
    pub(super) fn centered_bias(&self) -> Option<Vec<f32>> {
        /// What is left of the encoder's bias must be below this share of it.
        const MAX_LEFT: f32 = 1.0 / 64.0;
        let (encoder, decoder) = (self.encoder_bias.as_ref()?, self.decoder_bias.as_ref()?);
        let row = |(bias, weights): (&f32, &[f32])| {
            let products = weights.iter().zip(decoder).map(|(w, d)| f64::from(*w) * f64::from(*d));
            (f64::from(*bias) + products.sum::<f64>()) as f32
        };
        let rows = encoder.iter().zip(self.encoder.chunks_exact(decoder.len()));
        let centered: Vec<f32> = rows.map(row).collect();
        let largest = |values: &[f32]| values.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        (largest(&centered) < MAX_LEFT * largest(encoder)).then_some(centered)
    }

    pub(crate) fn validate(&self, config: &ModelConfig) -> Result<()> {
        for (tensor, values) in self.tensors() {
            let shape = tensor_shape(tensor, config);
            let expected = shape.iter().product();
            if values.len() != expected {
                return Err(Error::WeightLength { tensor, shape, expected, found: values.len() });
            }
            if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::NonFiniteWeight { tensor, index, value: values[index] });
            }
        }
        Ok(())
    }
}

/// The shape a tensor of this name has in a model of this configuration.
pub(crate) fn tensor_shape(tensor: &str, config: &ModelConfig) -> Vec<usize> {
    let &ModelConfig { dim, latent_dim, .. } = config;
    match tensor {
        ENCODER => vec![latent_dim, dim],
        ENCODER_BIAS => vec![latent_dim],
        DECODER => vec![dim, latent_dim],
        _ => vec![dim],
    }
}
