//! Rates of every verb on one batch as a JSON object, with the machine's ceilings beside them:
//! what `benches/peers/compare.py` sets against other programs.

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
use vecodec::{Codec, CodecOptions, Coding, Engine, Gpu, Model, ModelConfig};

#[derive(Parser)]
struct Args {
    /// auto, gpu or cpu
    #[arg(long, default_value = "auto")]
    engine: String,
    #[arg(long, default_value_t = 20_000)]
    rows: usize,
    #[arg(long, default_value_t = 768)]
    dim: usize,
    #[arg(long, default_value_t = 128)]
    latent: usize,
    /// A budget of bytes a row instead of latents: fitted to the data, whose rows are repeated.
    #[arg(long, requires = "data")]
    bytes: Option<usize>,
    #[arg(long, default_value_t = 256)]
    states: usize,
    /// Rows as a .npy file; made up, unless it is given.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Calls of each verb, after two that are not counted; the median counts.
    #[arg(long, default_value_t = 7)]
    runs: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { engine, rows, dim, latent, bytes, states, data, runs } = Args::parse();
    let engine = match engine.as_str() {
        "auto" => Engine::Auto,
        "cpu" => Engine::Cpu,
        "gpu" => Engine::Gpu(Gpu::new()?),
        other => return Err(format!("no engine {other:?}: auto, gpu or cpu").into()),
    };
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
            Model::fit(&values, config.with_coding(Coding::Trellis { states }))?
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
    // A result is dropped after its call was timed.
    let mut measure = |name: &str, work: &mut dyn FnMut() -> Box<dyn Any>| {
        let mut seconds: Vec<f64> = (0..runs + 2)
            .map(|_| {
                let start = Instant::now();
                let result = work();
                let elapsed = start.elapsed();
                drop(result);
                elapsed.as_secs_f64()
            })
            .skip(2)
            .collect();
        seconds.sort_by(f64::total_cmp);
        let rate = rows as f64 / seconds[seconds.len() / 2];
        report.insert(name.into(), Value::from(rate));
    };
    measure("encode_flat", &mut || Box::new(codec.encode_flat(&flat)));
    measure("encode", &mut || Box::new(codec.encode(&nested)));
    measure("decode_flat", &mut || Box::new(codec.decode_flat(&codes)));
    measure("decode", &mut || Box::new(codec.decode(&codes)));
    measure("decode_into", &mut || Box::new(codec.decode_into(&codes, &mut out)));
    measure("decode_mapped", &mut || {
        for view in codec.decode_mapped(&codes).unwrap() {
            black_box(view.unwrap().last());
        }
        Box::new(())
    });
    measure("memcpy", &mut || {
        out.copy_from_slice(black_box(&flat));
        Box::new(())
    });
    if let Some(gpu) = gpu {
        let bytes = size_of_val(flat.as_slice()) as u64;
        let link = pcie_link::PcieLink::new(&gpu, bytes.min(48 << 20));
        measure("link", &mut || Box::new(link.run(black_box(bytes))));
    }
    println!("{}", Value::Object(report));
    Ok(())
}
