//! Models from headerless files of weights.

use std::path::Path;

use super::weights::{DECODER, ENCODER, Weights, tensor_shape};
use super::{Model, ModelConfig};
use crate::error::{Error, Result};

impl Model {
    /// Reads weights without biases from two headerless files of little-endian `f32`:
    /// the encoder `[latent, dim]` and the decoder `[dim, latent]`, both row-major.
    ///
    /// # Errors
    /// A file cannot be read or has another length than its shape needs; sizes of zero; weights
    /// that are not finite.
    pub fn load_raw(
        encoder_path: impl AsRef<Path>,
        decoder_path: impl AsRef<Path>,
        config: impl Into<ModelConfig>,
    ) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let encoder = read_raw(encoder_path.as_ref(), ENCODER, &config)?;
        let decoder = read_raw(decoder_path.as_ref(), DECODER, &config)?;
        Self::from_weights(config, Weights { encoder, decoder, ..Weights::default() })
    }
}

fn read_raw(path: &Path, tensor: &str, config: &ModelConfig) -> Result<Vec<f32>> {
    let shape = tensor_shape(tensor, config);
    let len: usize = shape.iter().product();
    // Read before anything is allocated by a number that the files have not earned.
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    if bytes.len() != len * size_of::<f32>() {
        let detail = format!(
            "holds {} bytes where {tensor} of shape {shape:?} needs {}: check dim and latent_dim",
            bytes.len(),
            len * size_of::<f32>()
        );
        return Err(Error::format(path, detail));
    }
    Ok(bytemuck::pod_collect_to_vec(&bytes))
}
