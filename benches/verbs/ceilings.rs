//! The ceilings of the machine: copies in memory, transfers over the PCIe link, and the matrix
//! multiplication of a decode on the CPU.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::pcie_link::PcieLink;
use super::{SHAPES, batches};

/// Bytes per chunk on the PCIe link.
const CHUNK_BYTES: u64 = 48 << 20;

pub fn benches(criterion: &mut Criterion) {
    let (dim, latent) = SHAPES[0];
    let weights = vec![0.5f32; latent * dim];
    let mut group = criterion.benchmark_group("ceiling");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    let gpu = super::gpu();
    for &count in batches() {
        let from = vec![1.0f32; count * dim];
        let mut to = vec![0.0f32; count * dim];
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("memcpy", count), |b| {
            b.iter(|| to.copy_from_slice(&from));
        });
        group.bench_function(BenchmarkId::new("memcpy_parallel", count), |b| {
            b.iter(|| {
                const PIECE: usize = 64 << 10;
                let pieces = to.par_chunks_mut(PIECE).zip(from.par_chunks(PIECE));
                pieces.for_each(|(to, from)| to.copy_from_slice(from));
            });
        });
        // Multiplies f32 latents on all cores, without dequantising, scaling or adding a bias.
        let latents = vec![0.5f32; count * latent];
        group.bench_function(BenchmarkId::new("gemm", count), |b| {
            b.iter(|| {
                matmul(
                    MatMut::from_row_major_slice_mut(&mut to, count, dim),
                    Accum::Replace,
                    MatRef::from_row_major_slice(&latents, count, latent),
                    MatRef::from_row_major_slice(&weights, latent, dim),
                    1.0,
                    Par::rayon(0),
                );
            });
        });
        if let Some(gpu) = &gpu {
            let bytes = size_of_val(from.as_slice()) as u64;
            let link = PcieLink::new(gpu, bytes.min(CHUNK_BYTES));
            group.bench_function(BenchmarkId::new("link", count), |b| b.iter(|| link.run(bytes)));
        }
    }
    group.finish();
}
