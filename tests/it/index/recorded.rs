//! Searches in a caller's encoder.

use vecodec::wgpu::Buffer;
use vecodec::{
    Codec, CodecOptions, ErrorKind, Filter, GpuHits, GpuRows, Hits, Index, Metric, Model,
    ModelConfig, SearchOptions,
};

use super::oracle::Truth;
use super::rows::copies_are_found_in_order;
use super::{Case, case, cases, queries};
use crate::buffers::{assert_says, encoder, filled, gpu_of, storage, submitted};
use crate::data::Random;
use crate::engines::{codec, gpu_suite};

gpu_suite!(gpu:
    recorded_hits_are_those_of_plain_f64,
    recorded_searches_see_filters_and_removals,
    copies_of_one_row_overflow_no_list,
    many_rows_are_searched_in_rounds,
    queries_that_are_not_finite_have_no_hits,
    searches_that_cannot_be_recorded_are_refused,
    queries_may_be_decoded_by_the_same_encoder,
);

fn recorded(
    engine: &CodecOptions,
    index: &Index,
    queries: &[Vec<f32>],
    k: usize,
    options: SearchOptions<'_>,
) -> Hits {
    let gpu = gpu_of(engine);
    let values = filled(gpu, bytemuck::cast_slice(&queries.concat()), 256);
    let hits = storage(gpu, 512 + GpuHits::bytes(queries.len(), k));
    let mut encoder = encoder(gpu);
    let rows = GpuRows::<f32>::new(&values, 256, queries.len());
    let to = GpuHits::new(&hits, 512);
    let search = index.record_search_with(&mut encoder, rows, k, to, options).unwrap();
    let bytes = submitted(gpu, encoder, &hits);
    search.hits(&bytes[512..512 + search.bytes() as usize]).unwrap()
}

fn recorded_hits_are_those_of_plain_f64(engine: &CodecOptions) {
    for (number, Case { model, rows, label }) in cases().into_iter().enumerate() {
        let codec = codec(engine, &model);
        let codes = codec.encode_flat(&rows).unwrap();
        let all: Vec<usize> = (0..codes.row_count()).collect();
        // A software adapter takes long to compile kernels.
        let metric = Metric::ALL[number % Metric::ALL.len()];
        let truth = Truth::new(&model, &codes, metric);
        let index = Index::new(&codec, codes.clone(), metric).unwrap();
        for (count, k) in [(1, 1), (5, 10), (50, 7), (3, 1000)] {
            let queries = queries(count, &rows, model.config().dim);
            let hits = recorded(engine, &index, &queries, k, SearchOptions::default());
            let label = format!("{label}, {metric}, {count} queries, k {k}");
            assert_eq!(hits.k(), k.min(codes.row_count()), "{label}");
            truth.check(&queries, &all, |row| row as u64, &hits, &label);
        }
    }
}

fn recorded_searches_see_filters_and_removals(engine: &CodecOptions) {
    let mut random = Random::new(9);
    for Case { model, rows, label } in cases().into_iter().filter(|case| case.rows.len() > 2000) {
        let codec = codec(engine, &model);
        let codes = codec.encode_flat(&rows).unwrap();
        let count = codes.row_count();
        let id_of = |row: usize| if row < count / 2 { row as u64 } else { 900_000 - row as u64 };
        let index = Index::new(&codec, codes.slice(0..count / 2).unwrap(), Metric::Cosine).unwrap();
        let ids: Vec<u64> = (count / 2..count).map(id_of).collect();
        index.append_with_ids(codes.slice(count / 2..count).unwrap(), &ids).unwrap();
        let gone: Vec<usize> = (0..count).filter(|_| random.uniform() < 0.3).collect();
        index.remove(&gone.iter().map(|row| id_of(*row)).collect::<Vec<_>>()).unwrap();
        let truth = Truth::new(&model, &codes, Metric::Cosine);
        let queries = queries(6, &rows, model.config().dim);
        for share in [1.0, 0.5, 0.03, 0.0] {
            let chosen: Vec<usize> = (0..count).filter(|_| random.uniform() < share).collect();
            let ids: Vec<u64> = chosen.iter().map(|row| id_of(*row)).collect();
            let options = SearchOptions::default().with_filter(Filter::Ids(&ids));
            let hits = recorded(engine, &index, &queries, 9, options);
            let allowed: Vec<usize> =
                chosen.into_iter().filter(|row| !gone.contains(row)).collect();
            truth.check(&queries, &allowed, id_of, &hits, &format!("{label}, {share}"));
        }
    }
}

fn copies_of_one_row_overflow_no_list(engine: &CodecOptions) {
    for regions in [1, 3] {
        let config = ModelConfig::bits(24, 8).with_regions(vecodec::Regions::Count(regions));
        copies_are_found_in_order(engine, config, |index, queries, k| {
            recorded(engine, index, queries, k, SearchOptions::default())
        });
    }
}

/// As many rows as several rounds need, compared with a search that is not recorded.
fn many_rows_are_searched_in_rounds(engine: &CodecOptions) {
    let case = case(24, 30, ModelConfig::bits(24, 9), true);
    let codec = codec(engine, &case.model);
    let rows = super::to_unit(crate::bit_codes::rows(40_000, 24, 6), 24);
    let codes = codec.encode_flat(&rows).unwrap();
    for metric in Metric::ALL {
        let index = Index::new(&codec, codes.clone(), metric).unwrap();
        for (count, k) in [(1, 10), (6, 100), (2, 2048)] {
            let queries = queries(count, &rows, 24);
            let expected = index.search(&queries, k).unwrap();
            let found = recorded(engine, &index, &queries, k, SearchOptions::default());
            for (at, (a, b)) in found.scores.iter().zip(&expected.scores).enumerate() {
                assert!((a - b).abs() < 2e-5, "{metric} {k}: hit {at} has {a} instead of {b}");
            }
            let same = found.ids.iter().zip(&expected.ids).filter(|(a, b)| a == b).count();
            assert!(
                100 * same > 97 * found.ids.len(),
                "{metric} {k}: {same} of {}",
                found.ids.len()
            );
        }
    }
}

fn queries_that_are_not_finite_have_no_hits(engine: &CodecOptions) {
    let case = case(24, 300, ModelConfig::bits(24, 8), true);
    let codec = codec(engine, &case.model);
    let codes = codec.encode_flat(&case.rows).unwrap();
    for metric in Metric::ALL {
        let index = Index::new(&codec, codes.clone(), metric).unwrap();
        let good = queries(4, &case.rows, 24);
        let expected = recorded(engine, &index, &good, 5, SearchOptions::default());
        for bad in [f32::NAN, f32::NEG_INFINITY, f32::MAX] {
            let mut queries = good.clone();
            queries[2][7] = bad;
            let hits = recorded(engine, &index, &queries, 5, SearchOptions::default());
            for query in [0, 1, 3] {
                assert_eq!(hits.query(query), expected.query(query), "{metric} beside {bad}");
            }
            let (ids, scores) = hits.query(2);
            if metric == Metric::Cosine && bad == f32::MAX {
                assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
            } else {
                assert!(ids.iter().all(|id| *id == u64::MAX), "{metric} {bad}: {ids:?}");
                assert!(scores.iter().all(|score| score.is_infinite()), "{metric} {bad}");
            }
        }
    }
}

fn searches_that_cannot_be_recorded_are_refused(engine: &CodecOptions) {
    let gpu = gpu_of(engine);
    let case = case(24, 300, ModelConfig::bits(24, 8), true);
    let codec = codec(engine, &case.model);
    let index = Index::new(&codec, codec.encode_flat(&case.rows).unwrap(), Metric::L2).unwrap();
    let (values, room) = (storage(gpu, 1024), storage(gpu, 1024));
    let large_room = storage(gpu, 1 << 15);
    let rows = |count| GpuRows::<f32>::new(&values, 0, count);
    let mut recorded = encoder(gpu);
    let mut refused = |rows: GpuRows<'_>, k: usize, hits: GpuHits<'_>, kind, parts: &[&str]| {
        let error = index.record_search(&mut recorded, rows, k, hits).err().unwrap();
        assert_says(&error, kind, parts);
    };
    let to = GpuHits::new(&room, 0);
    let input = ErrorKind::Input;
    refused(rows(1), 0, to, input, &["k is 0"]);
    refused(rows(0), 3, to, input, &["empty", "24 values"]);
    refused(rows(11), 3, to, input, &["queries need", "1056", "1024"]);
    refused(rows(2), 100, to, input, &["hits need", "1600", "1024"]);
    refused(rows(2), 3, GpuHits::new(&room, 1), input, &["hits begin at byte 1"]);
    refused(rows(2), 3, GpuHits::new(&values, 512), input, &["in one buffer"]);
    let options = SearchOptions::default().with_filter(Filter::Rows(&[1]));
    let error = index.record_search_with(&mut recorded, rows(1), 3, to, options).err().unwrap();
    assert_says(&error, input, &["1 words", "300 rows need 5"]);

    // More hits than rows: as many as there are rows. More hits than lists hold are refused.
    let copies = codec.encode_flat(&case.rows[..24]).unwrap().select(&vec![0; 3000]).unwrap();
    let large = Index::new(&codec, copies, Metric::L2).unwrap();
    let to_large = GpuHits::new(&large_room, 0);
    let error = large.record_search(&mut recorded, rows(1), 2049, to_large).err().unwrap();
    assert_says(&error, ErrorKind::Limit, &["2049 hits", "2048", "Index::search"]);
    let empty = Index::empty(&codec, Metric::L2);
    let search = empty.record_search(&mut recorded, rows(2), 3, to).unwrap();
    assert_eq!((search.k(), search.hits(&[]).unwrap().ids.len()), (0, 0));

    let search = index.record_search(&mut recorded, rows(2), 3, to).unwrap();
    let bytes = submitted(gpu, recorded, &room);
    assert_says(&search.hits(&bytes).unwrap_err(), input, &["1024 bytes of hits", "has 48"]);
    assert_says(&search.hits(&[0x77; 48]).unwrap_err(), input, &["row 2004318071", "300 rows"]);
    assert_eq!(search.hits(&bytes[..48]).unwrap().query_count(), 2);
}

/// Rows that are decoded on the device are its next queries: each finds itself.
fn queries_may_be_decoded_by_the_same_encoder(engine: &CodecOptions) {
    let gpu = gpu_of(engine);
    let config = ModelConfig::bits(24, 12).with_row_norm(vecodec::RowNorm::Omit);
    let case = case(24, 300, config, true);
    let (model, codec): (&Model, Codec) = (&case.model, codec(engine, &case.model));
    let codes = codec.encode_flat(&case.rows).unwrap();
    let index = Index::new(&codec, codes.clone(), Metric::L2).unwrap();
    let chosen: Vec<usize> = (20..60).collect();
    let some = codes.select(&chosen).unwrap();
    assert_eq!(some.as_bytes().len(), 12 * 40);
    let packed = filled(gpu, some.as_bytes(), 0);
    let rows: Buffer = storage(gpu, GpuRows::<f32>::bytes(model, 40));
    let room = storage(gpu, GpuHits::bytes(40, 1));
    let mut recorded = encoder(gpu);
    let queries = GpuRows::<f32>::new(&rows, 0, 40);
    codec.record_decode(&mut recorded, vecodec::GpuCodes::new(&packed, 0, 40), queries).unwrap();
    let to = GpuHits::new(&room, 0);
    let search = index.record_search(&mut recorded, queries, 1, to).unwrap();
    let hits = search.hits(&submitted(gpu, recorded, &room)).unwrap();
    let expected: Vec<u64> = chosen.iter().map(|row| *row as u64).collect();
    assert_eq!(hits.ids, expected);
    assert!(hits.scores.iter().all(|score| *score < 1e-5), "{:?}", hits.scores);
}
