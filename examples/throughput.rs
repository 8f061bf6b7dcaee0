//! Measures the rate of every verb on one batch, and the machine's ceilings. Prints a JSON object
//! of rows per second, which `benches/peers/compare.py` compares with other programs. Any error of a
//! verb or of the GPU makes the program fail.

#[path = "shared/engine.rs"]
mod engine;
#[path = "../benches/verbs/pcie_link.rs"]
mod pcie_link;

use std::any::Any;
use std::fs::File;
use std::hint::black_box;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use serde_json::{Map, Value, json};
use vecodec::{Codec, CodecOptions, Coding, Engine, Model, ModelConfig, Regions};

#[derive(Parser)]
struct Args {
    /// The engine: auto, cpu, gpu, or gpu:0,1
    #[arg(long, default_value = "auto")]
    engine: String,
    /// Rows of the batch
    #[arg(long, default_value_t = 20_000)]
    rows: usize,
    /// Values per row, unless --data is given
    #[arg(long, default_value_t = 768)]
    dim: usize,
    /// Latents of 8-bit codes
    #[arg(long, default_value_t = 128)]
    latent: usize,
    /// Bytes per row of bit codes, in place of 8-bit codes. The model is fitted to --data
    #[arg(long, requires = "data")]
    bytes: Option<usize>,
    /// States of the trellis, with --bytes
    #[arg(long, default_value_t = 256)]
    states: usize,
    /// Regions of the model of bit codes, with --bytes; the fit chooses by default
    #[arg(long)]
    regions: Option<usize>,
    /// A .npy file of rows, repeated to fill the batch. Without it, the rows are made up
    #[arg(long)]
    data: Option<PathBuf>,
    /// Timed calls of each verb, after two warm-up calls. The rate is that of the median call
    #[arg(long, default_value_t = 7)]
    runs: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { engine, rows, dim, latent, bytes, states, regions, data, runs } = Args::parse();
    if runs == 0 {
        return Err("--runs is 0: pass at least 1".into());
    }
    let engine = engine::engine(&engine)?;
    let gpu = if let Engine::Gpu(gpu) = &engine { Some(gpu.clone()) } else { None };
    let (dim, values) = match data {
        Some(path) => {
            let file = npyz::NpyFile::new(BufReader::new(File::open(path)?))?;
            (file.shape()[1] as usize, file.into_vec::<f32>()?)
        }
        None => {
            let value = |i: usize| ((i as u64 * 2_654_435_761) % 2003) as f32 / 1001.0 - 1.0;
            (dim, (0..rows * dim).map(value).collect())
        }
    };
    let model = match bytes {
        Some(bytes) => {
            let config = ModelConfig::bits(dim, bytes);
            let regions = regions.map_or(Regions::Auto, Regions::Count);
            Model::fit(
                &values,
                config.with_coding(Coding::Trellis { states }).with_regions(regions),
            )?
        }
        None => Model::random(ModelConfig::int8(dim, latent), 1)?,
    };
    let latent = model.config().latent_dim;
    let codec = Codec::with_options(model, CodecOptions::default().with_engine(engine))?;

    let flat: Vec<f32> = values.iter().copied().cycle().take(rows * dim).collect();
    let nested: Vec<&[f32]> = flat.chunks(dim).collect();
    let codes = codec.encode_flat(&flat)?;
    let mut out = vec![0.0; rows * dim];

    let mut report = Map::new();
    report.insert("engine".into(), json!(codec.engine().to_string()));
    report.insert("rows".into(), json!(rows));
    report.insert("latent".into(), json!(latent));
    report.insert("regions".into(), json!(codec.model().region_count()));
    // An error of any call ends the program, because a verb that fails at once would look fast. A
    // result is dropped after its call was timed.
    let mut measure = |name: &str, work: &mut dyn FnMut() -> Output| -> Result<(), String> {
        let mut seconds = Vec::with_capacity(runs + 2);
        for _ in 0..runs + 2 {
            let start = Instant::now();
            let result = work().map_err(|error| format!("{name}: {error}"))?;
            seconds.push(start.elapsed().as_secs_f64());
            drop(result);
        }
        let counted = &mut seconds[2..];
        counted.sort_by(f64::total_cmp);
        report.insert(name.into(), Value::from(rows as f64 / counted[counted.len() / 2]));
        Ok(())
    };
    measure("encode_flat", &mut || boxed(codec.encode_flat(&flat)))?;
    measure("encode", &mut || boxed(codec.encode(&nested)))?;
    measure("decode_flat", &mut || boxed(codec.decode_flat(&codes)))?;
    measure("decode", &mut || boxed(codec.decode(&codes)))?;
    measure("decode_into", &mut || boxed(codec.decode_into(&codes, &mut out)))?;
    measure("decode_mapped", &mut || {
        for view in codec.decode_mapped(&codes)? {
            black_box(view?.last());
        }
        boxed(Ok(()))
    })?;
    measure("memcpy", &mut || {
        out.copy_from_slice(black_box(&flat));
        boxed(Ok(()))
    })?;
    if let Some(gpu) = gpu {
        let bytes = size_of_val(flat.as_slice()) as u64;
        let link = pcie_link::PcieLink::new(&gpu, bytes.min(48 << 20));
        measure("link", &mut || boxed(Ok(link.run(black_box(bytes)))))?;
    }
    println!("{}", Value::Object(report));
    Ok(())
}

/// What a timed call gives.
type Output = vecodec::Result<Box<dyn Any>>;

fn boxed<T: 'static>(result: vecodec::Result<T>) -> Output {
    result.map(|value| Box::new(value) as Box<dyn Any>)
}
