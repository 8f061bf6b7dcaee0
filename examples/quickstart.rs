//! Fit, encode, save, load, decode: the README's quickstart.

use vecodec::{Codec, Codes, Model, ModelConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 2,000 rows of 96 values; yours come out of an embedding model.
    let wave = |i: usize, j: usize| ((i * (j % 12 + 1)) as f32 * 0.37).sin();
    let rows: Vec<Vec<f32>> = (0..2000).map(|i| (0..96).map(|j| wave(i, j)).collect()).collect();

    // Learn a codec from them: 96 values -> 24 bytes and a scale.
    let model = Model::fit(&rows.concat(), ModelConfig::int8(96, 24))?;
    let codec = Codec::new(model.clone())?; // a GPU if there is one, else the CPU
    println!("running on {}", codec.engine());

    let codes = codec.encode(&rows)?;
    let folder = std::env::temp_dir();
    model.save(folder.join("model.safetensors"))?;
    codes.save(folder.join("codes.safetensors"))?;

    // Later, somewhere else.
    let codec = Codec::new(Model::load(folder.join("model.safetensors"))?)?;
    let codes = Codes::load(folder.join("codes.safetensors"))?;
    let nested: Vec<Vec<f32>> = codec.decode(&codes)?;
    let flat: Vec<f32> = codec.decode_flat(&codes)?;
    assert_eq!(nested.concat(), flat);

    let (_, metrics) = codec.evaluate(&rows)?;
    println!(
        "{:.1} times smaller, relative error {:.1e}, mean cosine {:.5}",
        metrics.compression_ratio, metrics.relative_mse, metrics.mean_cosine
    );
    Ok(())
}
