//! Rows that an index finds hard: equal rows, many batches, and values at the ends of `f32`.

use vecodec::{
    CodecOptions, Codes, Coding, EngineKind, Error, Filter, Hits, Index, IndexError, Metric, Model,
    ModelConfig, Regions, RowNorm, SearchOptions,
};

use super::oracle::Truth;
use super::{bits, case, queries};
use crate::data::{Random, identity};
use crate::engines::{codec, cpu, engine_suite, gpu};

engine_suite!(
    equal_rows_are_found_in_the_order_in_which_they_were_added,
    rows_of_score_zero_are_equal,
    many_small_batches_are_one_large_batch,
    queries_are_answered_alone_as_together,
    scalar_codes_are_scored_alike_by_bytes_and_by_latents,
    rows_of_any_size_keep_their_order,
    rows_of_several_blocks_are_scored,
    rows_beyond_the_range_of_scores_are_refused,
);

fn equal_rows_are_found_in_the_order_in_which_they_were_added(engine: &CodecOptions) {
    let search = |index: &Index, queries: &[Vec<f32>], k| index.search(queries, k).unwrap();
    copies_are_found_in_order(engine, ModelConfig::bits(24, 8), search);
}

/// Searches 100,000 copies of one row.
pub fn copies_are_found_in_order(
    engine: &CodecOptions,
    config: impl Into<ModelConfig>,
    search: impl Fn(&Index, &[Vec<f32>], usize) -> Hits,
) {
    let case = case(24, 30, config, true);
    let codec = codec(engine, &case.model);
    let one = codec.encode_flat(&case.rows[..24]).unwrap();
    let copies = one.select(&vec![0; 100_000]).unwrap();
    for metric in Metric::ALL {
        let index = Index::new(&codec, copies.clone(), metric).unwrap();
        for k in [1, 10, 300] {
            let hits = search(&index, &queries(3, &case.rows, 24), k);
            for query in 0..3 {
                let (ids, scores) = hits.query(query);
                assert!(ids.iter().copied().eq(0..k as u64), "{metric} {k} {ids:?}");
                assert!(scores.iter().all(|score| *score == scores[0]), "{metric} {k}");
            }
        }
    }
}

/// A product of zero may be minus zero, which is no other score.
fn rows_of_score_zero_are_equal(engine: &CodecOptions) {
    let case = case(24, 90, ModelConfig::bits(24, 8).with_row_norm(RowNorm::Store), false);
    let codec = codec(engine, &case.model);
    let codes = codec.encode_flat(&case.rows).unwrap();
    for metric in [Metric::InnerProduct, Metric::Cosine] {
        let index = Index::new(&codec, codes.clone(), metric).unwrap();
        let hits = index.search(&[0.0f32; 24], 20).unwrap();
        assert!(hits.ids.iter().copied().eq(0..20), "{metric} {:?}", hits.ids);
        assert!(hits.scores.iter().all(|score| score.to_bits() == 0), "{metric}");
    }
}

fn many_small_batches_are_one_large_batch(engine: &CodecOptions) {
    for regions in [1, 4] {
        let config = ModelConfig::bits(24, 8).with_regions(Regions::Count(regions));
        let case = case(24, 700, config, true);
        let codec = codec(engine, &case.model);
        let codes = codec.encode_flat(&case.rows).unwrap();
        let queries = queries(20, &case.rows, 24);
        for metric in Metric::ALL {
            let whole = Index::new(&codec, codes.clone(), metric).unwrap();
            let parts = Index::empty(&codec, metric);
            let mut random = Random::new(9);
            let mut first = 0;
            while first < 700 {
                let end = (first + 1 + (random.uniform() * 40.0) as usize).min(700);
                parts.append(codes.slice(first..end).unwrap()).unwrap();
                first = end;
            }
            let expected = whole.search(&queries, 15).unwrap();
            assert_eq!(parts.search(&queries, 15).unwrap(), expected, "{metric}");
            // On a GPU each batch has tiles of its own.
            if codec.engine().kind == EngineKind::Cpu {
                assert!(parts.bytes() < whole.bytes() + 64, "{} {}", parts.bytes(), whole.bytes());
            }
        }
    }
}

fn queries_are_answered_alone_as_together(engine: &CodecOptions) {
    let case = case(24, 700, ModelConfig::bits(24, 8), true);
    let codec = codec(engine, &case.model);
    let index = Index::new(&codec, codec.encode_flat(&case.rows).unwrap(), Metric::Cosine).unwrap();
    let queries = queries(1500, &case.rows, 24);
    let together = index.search(&queries, 4).unwrap();
    assert_eq!(together.query_count(), 1500);
    for number in [0, 1, 2, 1023, 1024, 1025, 1499] {
        let alone = index.search(&queries[number..=number], 4).unwrap();
        assert_eq!(together.query(number), alone.query(0), "query {number}");
    }
}

/// On the CPU a few queries are scored by tables of bytes, where scalar codes have many rows.
fn scalar_codes_are_scored_alike_by_bytes_and_by_latents(engine: &CodecOptions) {
    for (regions, bytes, norm) in [(1, 7, RowNorm::Omit), (2, 13, RowNorm::Store)] {
        let config = ModelConfig::bits(24, bytes).with_coding(Coding::Scalar).with_row_norm(norm);
        let case = case(24, 9000, config.with_regions(Regions::Count(regions)), false);
        let codec = codec(engine, &case.model);
        let codes = codec.encode_flat(&case.rows).unwrap();
        let queries = queries(40, &case.rows, 24);
        for metric in Metric::ALL {
            let index = Index::new(&codec, codes.clone(), metric).unwrap();
            let together = index.search(&queries, 50).unwrap();
            for few in [0..1, 1..2, 2..5, 30..35] {
                let alone = index.search(&queries[few.clone()], 50).unwrap();
                for (number, query) in few.enumerate() {
                    assert_eq!(alone.query(number), together.query(query), "{metric}, {query}");
                }
            }
        }
    }
}

fn rows_of_any_size_keep_their_order(engine: &CodecOptions) {
    let case = case(24, 300, ModelConfig::bits(24, 12).with_row_norm(RowNorm::Store), false);
    let codec = codec(engine, &case.model);
    let queries = queries(9, &case.rows, 24);
    let search = |scale: f32, metric| {
        let rows: Vec<f32> = case.rows.iter().map(|v| v * scale).collect();
        Index::new(&codec, codec.encode_flat(&rows).unwrap(), metric)?.search(&queries, 5)
    };
    let expected = search(1.0, Metric::Cosine).unwrap();
    for scale in [1e-30, 1e-10, 1e10, 1e30] {
        let hits = search(scale, Metric::Cosine).unwrap();
        assert_eq!(hits.ids, expected.ids, "{scale}");
        assert_eq!(hits.scores, expected.scores, "{scale}");
        let products = search(scale, Metric::InnerProduct).unwrap();
        assert!(products.scores.iter().all(|score| score.is_finite()), "{scale}");
    }
    assert_eq!(search(1e10, Metric::L2).unwrap().k(), 5);
    let error = search(1e30, Metric::L2).unwrap_err();
    assert!(matches!(error, Error::Index(IndexError::LargeRow { row: 0, .. })), "{error}");
}

fn rows_beyond_the_range_of_scores_are_refused(engine: &CodecOptions) {
    let model = identity(4);
    let codec = codec(engine, &model);
    let codes = |scale: f32| Codes::from_parts(&model, vec![1; 8], scale).unwrap();
    let index = Index::new(&codec, codes(1e30), Metric::InnerProduct).unwrap();
    let error = index.search(&[[1.0f32; 4], [1e20; 4]], 1).unwrap_err();
    assert!(matches!(error, Error::Index(IndexError::LargeQuery { query: 1, .. })), "{error}");
    assert_eq!(index.search(&[[1.0f32; 4]], 1).unwrap().scores, [4e30]);
    // A cosine has no such limit.
    let index = Index::new(&codec, codes(1e30), Metric::Cosine).unwrap();
    assert_eq!(index.search(&[[1e30f32; 4], [1e-30; 4]], 1).unwrap().scores, [1.0, 1.0]);
}

/// Codes of this model of any bits: the regions of the models here use all numbers that their bits have.
fn random_codes(model: &Model, rows: usize, random: &mut Random) -> Codes {
    let config = model.config();
    let one = codec(&cpu(), model).encode_flat(&vec![0.5f32; config.dim]).unwrap();
    let packed =
        (0..rows * one.as_bytes().len()).map(|_| (random.uniform() * 256.0) as u8).collect();
    if config.bytes().is_some() && config.row_norm() != Some(RowNorm::Store) {
        return Codes::from_parts(model, packed, 1.0).unwrap();
    }
    let scales: Vec<f32> = (0..rows).map(|_| 0.5 + random.uniform() as f32).collect();
    Codes::from_parts(model, packed, scales).unwrap()
}

/// One thread of a CPU takes blocks of 4,096 rows, region by region. Many threads take less.
fn rows_of_several_blocks_are_scored(engine: &CodecOptions) {
    let threads = |count| rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
    let pools = [threads(1), threads(8)];
    let mut random = Random::new(33);
    let trellis = Coding::Trellis { states: 256 };
    for (dim, config) in [
        (24, ModelConfig::int8(24, 17).into()),
        (13, bits(13, 11, Coding::Scalar, 4, RowNorm::Store)),
        (24, bits(24, 9, trellis, 8, RowNorm::Omit)),
    ] {
        let case = case(dim, 30, config, true);
        let codec = codec(engine, &case.model);
        let codes = random_codes(&case.model, 9001, &mut random);
        let all: Vec<usize> = (0..9001).collect();
        for metric in Metric::ALL {
            let truth = Truth::new(&case.model, &codes, metric);
            let index = Index::new(&codec, codes.clone(), metric).unwrap();
            for count in [1, 3, 40] {
                let queries = queries(count, &case.rows, dim);
                let [hits, others] =
                    pools.each_ref().map(|pool| pool.install(|| index.search(&queries, 20)));
                let (hits, label) = (hits.unwrap(), format!("{dim}, {metric}, {count} queries"));
                truth.check(&queries, &all, |row| row as u64, &hits, &label);
                assert_eq!(others.unwrap(), hits, "{label}");
            }
        }
    }
}

/// Enough rows for several rounds of a GPU, with few and many queries, and more hits than a GPU lists.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn both_engines_find_the_same_rows_among_many() {
    let mut random = Random::new(21);
    let trellis = |states| Coding::Trellis { states };
    for (dim, config) in [
        (12, ModelConfig::int8(12, 7).into()),
        (12, bits(12, 5, Coding::Scalar, 1, RowNorm::Store)),
        (24, bits(24, 9, trellis(256), 4, RowNorm::Omit)),
        (24, bits(24, 8, trellis(64), 1, RowNorm::Omit)),
    ] {
        let case = case(dim, 30, config, false);
        let codes = random_codes(&case.model, 30_000, &mut random);
        let queries = queries(70, &case.rows, dim);
        let words: Vec<u64> = (0..30_000u64.div_ceil(64)).map(|word| word | word << 40).collect();
        for metric in Metric::ALL {
            let [on_cpu, on_gpu] = [cpu(), gpu()].map(|engine| {
                let codec = codec(&engine, &case.model);
                let index = Index::new(&codec, codes.slice(0..10_000).unwrap(), metric).unwrap();
                index.append(codes.slice(10_000..30_000).unwrap()).unwrap();
                index
            });
            for (count, k) in [(1, 10), (3, 2048), (2, 2049), (70, 10)] {
                let found = on_gpu.search(&queries[..count], k).unwrap();
                let expected = on_cpu.search(&queries[..count], k).unwrap();
                assert_eq!(found, expected, "{metric}, {count} queries, k {k}");
            }
            let filtered = |index: &Index| {
                let options = SearchOptions::default().with_filter(Filter::Rows(&words));
                index.search_with(&queries[..5], 30, options).unwrap()
            };
            assert_eq!(filtered(&on_gpu), filtered(&on_cpu), "{metric}");
        }
    }
}
