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
