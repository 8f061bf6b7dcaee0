//! Measures every verb by shape and batch size, the ceilings of the machine, and the predecessor.
//!
//! `VECODEC_BENCH_ENGINE` = `cpu` or `gpu` leaves the other engine out. With `--test` each
//! benchmark runs once, on small batches.

mod ceilings;
mod pcie_link;
mod predecessor;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main,
};
use vecodec::{Codec, CodecOptions, Engine, EngineKind, Error, Gpu, Model, ModelConfig};

const SHAPES: [(usize, usize); 3] = [(768, 128), (768, 64), (384, 64)];

/// Batch sizes. Large batches are used only where time is measured.
fn batches() -> &'static [usize] {
    // `cargo bench` passes `--bench`, and `cargo test` does not.
    let passed = |flag| std::env::args().any(|arg| arg == flag);
    let test = passed("--test") || !passed("--bench");
    if test { &[1, 100] } else { &[1, 100, 1_000, 10_000, 100_000] }
}

/// The GPU to measure, none where there is no adapter. Any other error ends the benchmarks.
fn gpu() -> Option<Gpu> {
    match Gpu::new() {
        Ok(gpu) => Some(gpu),
        Err(error @ Error::NoAdapter { .. }) => {
            eprintln!("no GPU engine: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The engines to measure, each with its name in the report.
fn engines() -> Vec<(&'static str, Engine)> {
    let wanted = std::env::var("VECODEC_BENCH_ENGINE").unwrap_or_default();
    let mut engines = Vec::new();
    if wanted != "cpu"
        && let Some(gpu) = gpu()
    {
        engines.push(("gpu", Engine::Gpu(gpu)));
    }
    if wanted != "gpu" {
        engines.push(("cpu", Engine::Cpu));
    }
    engines
}

fn codec(engine: &Engine, (dim, latent): (usize, usize)) -> Codec {
    let model = Model::random(ModelConfig::int8(dim, latent), 1).expect("a valid shape");
    let options = CodecOptions::default().with_engine(engine.clone());
    Codec::with_options(model, options).expect("an engine that runs it")
}

/// Rows that are neither constant nor special to any kernel.
fn rows(rows: usize, dim: usize) -> Vec<f32> {
    (0..rows * dim).map(|i| ((i as u64 * 2_654_435_761) % 2003) as f32 / 1001.0 - 1.0).collect()
}

/// Measures a verb. An error ends the benchmarks: a verb that fails at once would look fast.
fn bench<R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    verb: &str,
    count: usize,
    mut work: impl FnMut() -> vecodec::Result<R>,
) {
    group.bench_function(BenchmarkId::new(verb, count), |b| {
        b.iter_with_large_drop(|| work().unwrap_or_else(|error| panic!("{verb}: {error}")));
    });
}

fn verbs(criterion: &mut Criterion) {
    for (name, engine) in engines() {
        for shape @ (dim, latent) in SHAPES {
            let codec = codec(&engine, shape);
            println!("{name} is {}", codec.engine());
            let mut group = criterion.benchmark_group(format!("{name}/{dim}to{latent}"));
            group
                .sampling_mode(SamplingMode::Flat)
                .sample_size(20)
                .warm_up_time(Duration::from_millis(200))
                .measurement_time(Duration::from_millis(800));
            for &count in batches() {
                let flat = rows(count, dim);
                let nested: Vec<&[f32]> = flat.chunks(dim).collect();
                let codes = codec.encode_flat(&flat).expect("finite rows");
                let mut out = vec![0.0; count * dim];
                group.throughput(Throughput::Elements(count as u64));
                // Results are dropped outside the timed span.
                bench(&mut group, "encode", count, || codec.encode(&nested));
                bench(&mut group, "encode_flat", count, || codec.encode_flat(&flat));
                bench(&mut group, "decode", count, || codec.decode(&codes));
                bench(&mut group, "decode_flat", count, || codec.decode_flat(&codes));
                bench(&mut group, "decode_into", count, || codec.decode_into(&codes, &mut out));
                bench(&mut group, "decode_mapped", count, || {
                    for view in codec.decode_mapped(&codes)? {
                        black_box(view?.last());
                    }
                    Ok(())
                });
            }
            group.finish();
        }
    }
}

/// Prints where the time of a nested decode goes. Criterion does not measure it, because all
/// timings come from one call.
fn breakdown(_: &mut Criterion) {
    for (name, engine) in engines() {
        let codec = codec(&engine, SHAPES[0]);
        if codec.engine().kind == EngineKind::Cpu {
            continue;
        }
        for &count in batches() {
            let codes = codec.encode_flat(&rows(count, SHAPES[0].0)).expect("finite rows");
            // The first call creates the buffers.
            let first = codec.decode_breakdown(&codes).expect("a working device");
            let steady = codec.decode_breakdown(&codes).expect("a working device");
            if let (Some(first), Some(steady)) = (first, steady) {
                println!("{name} decode of {count} rows, first call: {first}");
                println!("{name} decode of {count} rows, steady:     {steady}");
            }
        }
    }
}

criterion_group!(benches, breakdown, verbs, predecessor::benches, ceilings::benches);
criterion_main!(benches);
