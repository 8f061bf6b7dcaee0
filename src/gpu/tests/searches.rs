//! Whole searches with the kernels of real GPUs, also where the adapter is a software one.

use super::super::device::Gpu;
use super::super::search::SearchLayout;
use crate::codec::{Codec, CodecOptions, Engine};
use crate::index::{Filter, Index, SearchOptions};
use crate::model::{Coding, Model, ModelConfig, Regions, RowNorm};
use crate::search::Metric;

/// More than a list has room for: they are scored in several rounds, the later ones with thresholds.
const ROWS: usize = 20_000;

/// Rows of the dimensions with noise of its own; every seventh is a copy of an earlier one.
fn rows(dim: usize) -> Vec<f32> {
    let number = |i: usize| {
        let bits = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = (bits ^ bits >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (bits >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let row = |row: usize| if row % 7 == 6 { row / 7 } else { row };
    (0..ROWS).flat_map(|r| (0..dim).map(move |d| number(row(r) * dim + d))).collect()
}

/// Rows that are found in integers are those that the CPU finds, with their scores.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn searches_in_integers_find_the_rows_of_the_cpu() {
    let gpu = Gpu::new().unwrap().as_hardware();
    let bits = |dim, bytes, states, regions| {
        let config = ModelConfig::bits(dim, bytes).with_coding(Coding::Trellis { states });
        config.with_regions(Regions::Count(regions))
    };
    for (number, config) in [
        bits(24, 9, 256, 4).with_row_norm(RowNorm::Omit),
        bits(33, 12, 64, 1).with_row_norm(RowNorm::Store),
        bits(40, 7, 256, 3).with_row_norm(RowNorm::Store),
        bits(17, 18, 1024, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let metric = Metric::ALL[number % Metric::ALL.len()];
        let dim = ModelConfig::from(config.clone()).dim;
        let model = Model::fit(&rows(dim)[..2000 * dim], config).unwrap();
        let layout = SearchLayout::new(&model, metric, gpu.caps());
        assert_eq!(layout.quad_queries().len(), 2);
        let config = model.config().clone();
        let rows = rows(dim);
        let index = |engine| {
            let options = CodecOptions::default().with_engine(engine);
            let codec = Codec::with_options(model.clone(), options).unwrap();
            // The same codes on both.
            let on_cpu = CodecOptions::default().with_engine(Engine::Cpu);
            let on_cpu = Codec::with_options(model.clone(), on_cpu).unwrap();
            let index = Index::empty(&codec, metric);
            for part in rows.chunks(7500 * dim) {
                index.append(on_cpu.encode_flat(part).unwrap()).unwrap();
            }
            index
        };
        let (on_gpu, on_cpu) = (index(Engine::Gpu(gpu.clone())), index(Engine::Cpu));
        let words: Vec<u64> = (0..ROWS.div_ceil(64) as u64).map(|word| !(word << 20)).collect();
        for (queries, k) in [(1, 10), (3, 1), (6, 40)] {
            let queries = &rows[dim..(queries + 1) * dim];
            let found = on_gpu.search(queries, k).unwrap();
            assert_eq!(found, on_cpu.search(queries, k).unwrap(), "{config:?}, {metric}, k {k}");
            let filtered = |index: &Index| {
                let options = SearchOptions::default().with_filter(Filter::Rows(&words));
                index.search_with(queries, k, options).unwrap()
            };
            assert_eq!(filtered(&on_gpu), filtered(&on_cpu), "{config:?}, {metric}, k {k}");
        }
    }
}
