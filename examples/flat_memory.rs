//! Encodes and decodes two million rows, block by block, and prints how much memory the process and
//! the device use. Any error of the codec or of the GPU makes the program fail.

#[path = "shared/resident.rs"]
mod resident;

use std::hint::black_box;
use std::time::Instant;

use clap::Parser;
use resident::resident_mib;
use vecodec::{Codec, CodecOptions, Engine, Gpu, Model, ModelConfig};

#[derive(Parser)]
struct Args {
    /// The engine: gpu or cpu
    #[arg(long, default_value = "gpu")]
    engine: String,
    /// Rows in total
    #[arg(long, default_value_t = 2_000_000)]
    rows: usize,
    /// Rows per block; each block is encoded in one call
    #[arg(long, default_value_t = 20_000)]
    block: usize,
}

const DIM: usize = 384;
const LATENT: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { engine, rows, block } = Args::parse();
    let engine = match engine.as_str() {
        "cpu" => Engine::Cpu,
        "gpu" => Engine::Gpu(Gpu::new()?),
        other => return Err(format!("--engine is {other:?}: pass gpu or cpu").into()),
    };
    if block == 0 {
        return Err("--block is 0: pass at least 1".into());
    }
    let model = Model::random(ModelConfig::int8(DIM, LATENT), 1)?;
    let options = CodecOptions::default().with_engine(engine);
    let codec = Codec::with_options(model, options)?;
    println!("{rows} rows of {DIM} values, {block} at a time, on {}", codec.engine());
    println!("{:>10} {:>14} {:>16} {:>8}", "rows", "resident MiB", "device peak MiB", "s");

    let start = Instant::now();
    let mut source = vec![0.0f32; block * DIM];
    let tenth = rows.div_ceil(10).next_multiple_of(block);
    for first in (0..rows).step_by(block) {
        let count = block.min(rows - first);
        for (i, value) in source[..count * DIM].iter_mut().enumerate() {
            *value = (((first * DIM + i) as u64 * 2_654_435_761) % 2003) as f32 / 1001.0 - 1.0;
        }
        round_trip(&codec, &source[..count * DIM])
            .map_err(|error| format!("block of {count} rows from row {first}: {error}"))?;
        if (first + block) % tenth == 0 || first + block >= rows {
            let (resident, device) = (resident_mib(), codec.stats().bytes_peak >> 20);
            let seconds = start.elapsed().as_secs_f64();
            println!("{:>10} {resident:>14} {device:>16} {seconds:>8.1}", first + count);
        }
    }
    Ok(())
}

/// Encodes rows, decodes them into mapped memory, and reads every row.
fn round_trip(codec: &Codec, rows: &[f32]) -> vecodec::Result<()> {
    let codes = codec.encode_flat(rows)?;
    for view in codec.decode_mapped(&codes)? {
        black_box(view?.rows().map(|row| row[0]).sum::<f32>());
    }
    Ok(())
}
