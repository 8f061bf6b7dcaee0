//! Fit, encode, save, load, decode: the README's quickstart.

use vecodec::{Codec, Codes, Model, ModelConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 2,000 rows of 96 values, each a sum of eight waves. Yours come from an embedding model.
    let wave =
        |i: usize, j: usize, k: usize| ((i * k) as f32).sin() * ((j * k) as f32 / 16.0).cos();
    let value = |i, j| (1..9).map(|k| wave(i, j, k) / k as f32).sum();
    let rows: Vec<Vec<f32>> = (0..2000).map(|i| (0..96).map(|j| value(i, j)).collect()).collect();
    let (train, test) = rows.split_at(1000);

    // Fit a codec that turns 96 values into 12 bytes.
    let model = Model::fit(&train.concat(), ModelConfig::bits(96, 12))?;
    let codec = Codec::new(model.clone())?; // on a GPU if there is one, else on the CPU
    println!("running on {}", codec.engine());

    let codes = codec.encode(test)?;
    let folder = std::env::temp_dir();
    model.save(folder.join("model.safetensors"))?;
    codes.save(folder.join("codes.safetensors"))?;

    // Later, somewhere else.
    let codec = Codec::new(Model::load(folder.join("model.safetensors"))?)?;
    let codes = Codes::load(folder.join("codes.safetensors"))?;
    let nested: Vec<Vec<f32>> = codec.decode(&codes)?;
    let flat: Vec<f32> = codec.decode_flat(&codes)?;
    assert_eq!(nested.concat(), flat);

    // Measure rows that the fit has not seen.
    let (_, metrics) = codec.evaluate(test)?;
    println!(
        "{:.1} times smaller, relative MSE {:.1e}, mean cosine {:.5}",
        metrics.compression_ratio, metrics.relative_mse, metrics.mean_cosine
    );
    Ok(())
}
