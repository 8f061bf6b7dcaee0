//! Search on codes.

mod approximate;
mod calls;
mod files;
mod oracle;
mod recorded;
mod rows;
mod threads;

use vecodec::{
    Codec, CodecOptions, Coding, Filter, Index, Metric, Model, ModelConfig, Regions, RowNorm,
    SearchOptions,
};

use crate::bit_codes;
use crate::data::Random;
use crate::engines::{codec, engine_suite};
use oracle::Truth;

engine_suite!(hits_are_those_of_plain_f64, filters_and_removals_leave_the_other_rows);

/// Rows at norm 1.
pub fn to_unit(mut rows: Vec<f32>, dim: usize) -> Vec<f32> {
    for row in rows.chunks_mut(dim) {
        let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        row.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
    rows
}

/// A model and rows that were not fitted on, of which some are equal and one is zero.
pub struct Case {
    pub model: Model,
    pub rows: Vec<f32>,
    label: String,
}

pub fn case(dim: usize, count: usize, config: impl Into<ModelConfig>, norm_one: bool) -> Case {
    let config = config.into();
    let label = format!("{config:?}, norm 1: {norm_one}, {count} rows");
    let scaled = |rows: Vec<f32>| if norm_one { to_unit(rows, dim) } else { rows };
    let model = Model::fit(&scaled(bit_codes::rows(400, dim, 3)), config).unwrap();
    let mut rows = scaled(bit_codes::rows(count, dim, 4));
    if count > 20 {
        rows.copy_within(2 * dim..3 * dim, 9 * dim);
        rows.copy_within(2 * dim..3 * dim, 17 * dim);
        rows[5 * dim..6 * dim].fill(0.0);
    }
    Case { model, rows, label }
}

fn bits(dim: usize, bytes: usize, coding: Coding, regions: usize, norm: RowNorm) -> ModelConfig {
    let config = ModelConfig::bits(dim, bytes).with_coding(coding).with_row_norm(norm);
    config.with_regions(Regions::Count(regions)).into()
}

/// Models of every coding, with dimensions that are not multiples of anything.
pub fn cases() -> Vec<Case> {
    let trellis = |states| Coding::Trellis { states };
    let (omit, store) = (RowNorm::Omit, RowNorm::Store);
    vec![
        case(7, 1, ModelConfig::int8(7, 3), false),
        case(24, 90, ModelConfig::int8(24, 11), true),
        case(33, 300, ModelConfig::int8(33, 16), false),
        case(13, 257, bits(13, 5, Coding::Scalar, 1, omit), true),
        case(13, 901, bits(13, 11, Coding::Scalar, 3, store), false),
        case(24, 300, bits(24, 9, trellis(16), 1, omit), true),
        case(24, 513, bits(24, 9, trellis(256), 5, omit), true),
        case(24, 300, bits(24, 9, trellis(256), 4, omit), false),
        case(31, 90, bits(31, 17, trellis(8), 7, store), false),
        case(40, 90, bits(40, 11, trellis(4096), 1, omit), false),
    ]
}

/// Queries, of which one is zero and one is a row.
pub fn queries(count: usize, rows: &[f32], dim: usize) -> Vec<Vec<f32>> {
    let mut random = Random::new(77);
    let query = |number| match number {
        1 => vec![0.0; dim],
        2 => rows[..dim].to_vec(),
        _ => random.normals(dim, 0.7),
    };
    (0..count).map(query).collect()
}

fn hits_are_those_of_plain_f64(engine: &CodecOptions) {
    for Case { model, rows, label } in cases() {
        let dim = model.config().dim;
        let codec = codec(engine, &model);
        let codes = codec.encode_flat(&rows).unwrap();
        let all: Vec<usize> = (0..codes.row_count()).collect();
        for metric in Metric::ALL {
            let truth = Truth::new(&model, &codes, metric);
            let index = Index::new(&codec, codes.clone(), metric).unwrap();
            for (count, k) in [(1, 1), (5, 10), (70, 7), (3, 1000)] {
                let queries = queries(count, &rows, dim);
                let hits = index.search(&queries, k).unwrap();
                let label = format!("{label}, {metric}, {count} queries, k {k}");
                assert_eq!(hits.k(), k.min(codes.row_count()), "{label}");
                truth.check(&queries, &all, |row| row as u64, &hits, &label);
                // Flat queries are the same queries.
                assert_eq!(index.search(&queries.concat(), k).unwrap(), hits, "{label}");
            }
        }
    }
}

fn filters_and_removals_leave_the_other_rows(engine: &CodecOptions) {
    let mut random = Random::new(5);
    for Case { model, rows, label } in cases().into_iter().filter(|case| case.rows.len() > 2000) {
        let codec = codec(engine, &model);
        for metric in Metric::ALL {
            filtered(&codec, &rows, metric, &mut random, &label);
        }
    }
}

/// Searches an index of three batches, some of whose rows are removed, with dense and sparse filters.
fn filtered(codec: &Codec, rows: &[f32], metric: Metric, random: &mut Random, label: &str) {
    let dim = codec.model().config().dim;
    let codes = codec.encode_flat(rows).unwrap();
    let count = codes.row_count();
    let (first, second) = (count / 3, count / 2);
    let id_of = |row: usize| {
        if (first..second).contains(&row) { 1_000_000 - row as u64 } else { row as u64 }
    };
    let index = Index::empty(codec, metric);
    index.append(codes.slice(0..first).unwrap()).unwrap();
    let ids: Vec<u64> = (first..second).map(id_of).collect();
    index.append_with_ids(codes.slice(first..second).unwrap(), &ids).unwrap();
    index.append(codes.slice(second..count).unwrap()).unwrap();
    let truth = Truth::new(codec.model(), &codes, metric);
    let queries = queries(6, rows, dim);
    let mut live: Vec<usize> = (0..count).collect();
    for round in 0..3 {
        let label = format!("{label}, {metric}, round {round}");
        assert_eq!(index.len(), live.len(), "{label}");
        let hits = index.search(&queries, 9).unwrap();
        truth.check(&queries, &live, id_of, &hits, &label);
        for share in [0.9, 0.5, 0.05, 0.0] {
            let chosen: Vec<usize> = (0..count).filter(|_| random.uniform() < share).collect();
            let mut words = vec![0u64; count.div_ceil(64)];
            chosen.iter().for_each(|row| words[row / 64] |= 1 << (row % 64));
            let allowed: Vec<usize> =
                live.iter().copied().filter(|row| chosen.contains(row)).collect();
            let mut ids: Vec<u64> = chosen.iter().map(|row| id_of(*row)).collect();
            ids.push(77_777_777);
            for filter in [Filter::Rows(&words), Filter::Ids(&ids)] {
                let options = SearchOptions::default().with_filter(filter);
                let hits = index.search_with(&queries, 9, options).unwrap();
                truth.check(&queries, &allowed, id_of, &hits, &format!("{label}, {share}"));
            }
            // Scored one by one, the allowed rows have the same scores.
            let candidates: Vec<u64> = allowed.iter().rev().map(|row| id_of(*row)).collect();
            let options = SearchOptions::default().with_filter(Filter::Ids(&candidates));
            let hits = index.search_with(&queries, 9, options).unwrap();
            let among = index.search_among(&queries, &vec![candidates.clone(); 6], 9).unwrap();
            assert_eq!(among, hits, "{label}");
        }
        let removed: Vec<usize> = live.iter().copied().filter(|_| random.uniform() < 0.3).collect();
        let ids: Vec<u64> = removed.iter().map(|row| id_of(*row)).collect();
        index.remove(&ids).unwrap();
        live.retain(|row| !removed.contains(row));
    }
    // Compacting changes no hit, but the numbers of rows.
    let before = (index.search(&queries, 9).unwrap(), index.bytes());
    index.compact();
    assert_eq!(index.search(&queries, 9).unwrap(), before.0, "{label}");
    assert!(index.bytes() < before.1, "{label}");
    assert_eq!(index.row_count(), live.len() as u64, "{label}");
    let decoded = index.decode_rows(&[id_of(live[3]), id_of(live[0])]).unwrap();
    let expected = codec.decode_flat(&codes.select(&[live[3], live[0]]).unwrap()).unwrap();
    assert_eq!(decoded, expected, "{label}");
}
