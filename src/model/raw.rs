//! Models from headerless files of weights.

use std::io::Read as _;
use std::path::Path;

use super::weights::{DECODER, ENCODER, Weights, tensor_shape};
use super::{Model, ModelConfig};
use crate::error::{Error, Result};
use crate::memory;
use crate::tensors::open_regular;

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
    let io = |e| Error::io(path, e);
    let (mut file, found) = open_regular(path)?;
    let needed = memory::bytes_of::<f32>(&shape);
    if needed != Some(found) {
        let detail = format!(
            "holds {found} bytes where {tensor} of shape {shape:?} needs {}: check dim and latent_dim",
            needed.unwrap_or(u64::MAX),
        );
        return Err(Error::format(path, detail));
    }
    let mut values: Vec<f32> = memory::zeroed("the values of a tensor", &shape)?;
    let bytes = bytemuck::cast_slice_mut(&mut values);
    // The file may have shrunk since its length was asked for: then this fails.
    file.read_exact(bytes).map_err(io)?;
    Ok(values)
}
