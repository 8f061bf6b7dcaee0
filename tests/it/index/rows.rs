//! Rows that an index finds hard: equal rows, many batches, and values at the ends of `f32`.

use vecodec::{Codes, Coding, Error, Index, IndexError, Metric, ModelConfig, Regions, RowNorm};

use super::{case, queries};
use crate::data::{Random, identity};
use crate::engines::{codec, cpu};

#[test]
fn equal_rows_are_found_in_the_order_in_which_they_were_added() {
    let case = case(24, 30, ModelConfig::bits(24, 8), true);
    let codec = codec(&cpu(), &case.model);
    let one = codec.encode_flat(&case.rows[..24]).unwrap();
    let copies = one.select(&vec![0; 100_000]).unwrap();
    for metric in Metric::ALL {
        let index = Index::new(&codec, copies.clone(), metric).unwrap();
        for k in [1, 10, 300] {
            let hits = index.search(&queries(3, &case.rows, 24), k).unwrap();
            for query in 0..3 {
                let (ids, scores) = hits.query(query);
                assert!(ids.iter().copied().eq(0..k as u64), "{metric} {k} {ids:?}");
                assert!(scores.iter().all(|score| *score == scores[0]), "{metric} {k}");
            }
        }
    }
}

#[test]
fn many_small_batches_are_one_large_batch() {
    for regions in [1, 4] {
        let config = ModelConfig::bits(24, 8).with_regions(Regions::Count(regions));
        let case = case(24, 700, config, true);
        let codec = codec(&cpu(), &case.model);
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
            assert!(parts.bytes() < whole.bytes() + 64, "{} {}", parts.bytes(), whole.bytes());
        }
    }
}

#[test]
fn queries_are_answered_alone_as_together() {
    let case = case(24, 700, ModelConfig::bits(24, 8), true);
    let codec = codec(&cpu(), &case.model);
    let index = Index::new(&codec, codec.encode_flat(&case.rows).unwrap(), Metric::Cosine).unwrap();
    let queries = queries(1500, &case.rows, 24);
    let together = index.search(&queries, 4).unwrap();
    assert_eq!(together.query_count(), 1500);
    for number in [0, 1, 2, 1023, 1024, 1025, 1499] {
        let alone = index.search(&queries[number..=number], 4).unwrap();
        assert_eq!(together.query(number), alone.query(0), "query {number}");
    }
}

/// A few queries are scored by tables of bytes, where scalar codes have many rows.
#[test]
fn scalar_codes_are_scored_alike_by_bytes_and_by_latents() {
    for (regions, bytes, norm) in [(1, 7, RowNorm::Omit), (2, 13, RowNorm::Store)] {
        let config = ModelConfig::bits(24, bytes).with_coding(Coding::Scalar).with_row_norm(norm);
        let case = case(24, 9000, config.with_regions(Regions::Count(regions)), false);
        let codec = codec(&cpu(), &case.model);
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

#[test]
fn rows_of_any_size_keep_their_order() {
    let case = case(24, 300, ModelConfig::bits(24, 12).with_row_norm(RowNorm::Store), false);
    let codec = codec(&cpu(), &case.model);
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

#[test]
fn rows_beyond_the_range_of_scores_are_refused() {
    let model = identity(4);
    let codec = codec(&cpu(), &model);
    let codes = |scale: f32| Codes::from_parts(&model, vec![1; 8], scale).unwrap();
    let index = Index::new(&codec, codes(1e30), Metric::InnerProduct).unwrap();
    let error = index.search(&[[1.0f32; 4], [1e20; 4]], 1).unwrap_err();
    assert!(matches!(error, Error::Index(IndexError::LargeQuery { query: 1, .. })), "{error}");
    assert_eq!(index.search(&[[1.0f32; 4]], 1).unwrap().scores, [4e30]);
    // A cosine has no such limit.
    let index = Index::new(&codec, codes(1e30), Metric::Cosine).unwrap();
    assert_eq!(index.search(&[[1e30f32; 4], [1e-30; 4]], 1).unwrap().scores, [1.0, 1.0]);
}
