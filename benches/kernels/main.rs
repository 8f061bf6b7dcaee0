//! Measures the GPU time of each program, with rows that stay on the device, and the peak rates of
//! the device. Prints a CSV table:
//!
//!     cargo bench --bench kernels > benches/record/NAME/kernels.csv
//!
//! With `--test`, or on a software adapter, batches are small.

mod peaks;

use std::time::Duration;

use vecodec::wgpu::DeviceType;
use vecodec::{Codec, CodecOptions, Engine, Error, Gpu, Model, ModelConfig, Precision};

const SHAPES: [(usize, usize); 4] = [(768, 128), (768, 64), (384, 64), (1536, 256)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gpu = match Gpu::new() {
        Ok(gpu) => gpu,
        Err(error @ Error::NoAdapter { .. }) => {
            eprintln!("no GPU engine: {error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    // `cargo bench` passes `--bench`, and `cargo test` does not.
    let measured = std::env::args().any(|arg| arg == "--bench");
    let software = gpu.adapter_info().device_type == DeviceType::Cpu;
    let (max_rows, repeats, share) = match (measured, software) {
        (false, _) => (100, 1, 1 << 10),
        (true, true) => (2_000, 5, 64),
        (true, false) => (400_000, 21, 1),
    };
    let (flops, bytes) = (peaks::flops(&gpu, share), peaks::bytes(&gpu, share));
    let name = &gpu.adapter_info().name;
    println!("# {name}: {:.2} TFLOP/s of f32, {:.1} GB/s of copies", flops / 1e12, bytes / 1e9);
    println!(
        "dim,latent,precision,program,rows,ms,million_rows_per_s,tflop_per_s,of_f32_peak,\
         gb_per_s,of_copies"
    );
    for (dim, latent) in SHAPES {
        // Many drivers limit a buffer to 2 GiB.
        let rows = max_rows * 768 / dim.max(768);
        for precision in [Precision::F32, Precision::F16] {
            let model = Model::random(ModelConfig::int8(dim, latent), 1)?;
            let options = CodecOptions::default()
                .with_engine(Engine::Gpu(gpu.clone()))
                .with_precision(precision);
            let codec = Codec::with_options(model, options)?;
            let values: Vec<f32> = (0..rows * dim)
                .map(|i| ((i as u64 * 2_654_435_761) % 2003) as f32 / 1001.0 - 1.0)
                .collect();
            let Some(times) = codec.kernel_times(&values, repeats)? else {
                eprintln!("{name} has no timestamps");
                return Ok(());
            };
            // The least bytes of memory that a row needs: read, and written.
            let (row, code) = (4 * dim, latent + 4);
            let programs = [
                ("encode", times.encode, row + code),
                ("decode", times.decode, row + code),
                ("decode_f16", times.decode_f16, row / 2 + code),
            ];
            for (program, time, row_bytes) in programs {
                let per_s = rows as f64 / time.max(Duration::from_nanos(1)).as_secs_f64();
                let (done, moved) = (per_s * (2 * dim * latent) as f64, per_s * row_bytes as f64);
                println!(
                    "{dim},{latent},{precision:?},{program},{rows},{:.4},{:.2},{:.2},{:.2},{:.1},\
                     {:.2}",
                    time.as_secs_f64() * 1e3,
                    per_s / 1e6,
                    done / 1e12,
                    done / flops,
                    moved / 1e9,
                    moved / bytes
                );
            }
        }
    }
    Ok(())
}
