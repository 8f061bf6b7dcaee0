//! Fit, encode, index, search: the codes are the only copy of the rows.

use vecodec::{Codec, Index, Metric, Model, ModelConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 2,000 rows of 96 values, each a sum of eight waves. Yours come from an embedding model.
    let wave =
        |i: usize, j: usize, k: usize| ((i * k) as f32).sin() * ((j * k) as f32 / 16.0).cos();
    let value = |i, j| (1..9).map(|k| wave(i, j, k) / k as f32).sum();
    let rows: Vec<Vec<f32>> = (0..2000).map(|i| (0..96).map(|j| value(i, j)).collect()).collect();

    let model = Model::fit(&rows.concat(), ModelConfig::bits(96, 12))?; // 12 bytes per row
    let codec = Codec::new(model)?; // on a GPU if there is one, else on the CPU
    let index = Index::new(&codec, codec.encode(&rows)?, Metric::Cosine)?;

    let hits = index.search(&rows[700..702], 3)?;
    for query in 0..2 {
        let (ids, scores) = hits.query(query);
        println!("row {}: rows {ids:?} with cosines {scores:.4?}", 700 + query);
    }
    Ok(())
}
