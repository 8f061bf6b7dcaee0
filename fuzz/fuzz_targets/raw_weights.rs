//! `Model::load_raw` of two files and a configuration made of the input.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use vecodec::{Activation, Coding, Model, ModelConfig, RowNorm};
use vecodec_fuzz::{Scratch, exercise};

/// Sizes that fit each other, or any.
fn config(u: &mut Unstructured<'_>) -> Result<ModelConfig> {
    let small = u.ratio(7, 8)?;
    let mut size = || -> Result<usize> {
        match small {
            true => Ok(u.int_in_range(0..=12)?),
            false => {
                Ok((1usize << u.int_in_range(0..=63u32)?).wrapping_sub(u.int_in_range(0..=2)?))
            }
        }
    };
    let (dim, latents, bytes) = (size()?, size()?, size()?);
    if u.ratio(1, 8)? {
        let coding =
            if u.arbitrary()? { Coding::Scalar } else { Coding::Trellis { states: latents } };
        let norms = *u.choose(&[RowNorm::Auto, RowNorm::Omit, RowNorm::Store])?;
        return Ok(ModelConfig::bits(dim, bytes).with_coding(coding).with_row_norm(norms).into());
    }
    let activation = *u.choose(&[Activation::Identity, Activation::Relu])?;
    let int8 = ModelConfig::int8(dim, latents).with_activation(activation);
    Ok(int8.with_normalized_latent(u.arbitrary()?).into())
}

fn run(input: &[u8]) -> Result<()> {
    let mut u = Unstructured::new(input);
    let config = config(&mut u)?;
    // As many bytes as the sizes need, or a few more or fewer.
    let len = config.dim.checked_mul(config.latent_dim).and_then(|len| len.checked_mul(4));
    let len = len.filter(|len| *len <= 1 << 12).unwrap_or(16);
    let mut file = || -> Result<Vec<u8>> {
        let len =
            if u.ratio(7, 8)? { len } else { len.saturating_sub(2) + u.int_in_range(0..=4)? };
        let mut bytes = u.bytes(len.min(u.len()))?.to_vec();
        bytes.resize(len, 0);
        Ok(bytes)
    };
    let (encoder, decoder) = (file()?, file()?);
    let scratch = Scratch::default();
    let (encoder, decoder) = (scratch.file("encoder", &encoder), scratch.file("decoder", &decoder));
    if let Ok(model) = Model::load_raw(encoder, decoder, config.clone()) {
        assert_eq!(*model.config(), config);
        exercise::model(&scratch, &model);
        exercise::verbs(&model, input.len() as u64);
    }
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    // An input that ends early makes no files.
    let _short = run(input);
});
