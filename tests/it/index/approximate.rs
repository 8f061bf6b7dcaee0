//! Searches that leave out regions.

use vecodec::{
    Codec, CodecOptions, Error, Filter, Hits, Index, IndexError, Metric, Model, ModelConfig,
    Regions, SearchMode, SearchOptions,
};

use super::to_unit;
use crate::data::Random;
use crate::engines::{codec, cpu, engine_suite};

engine_suite!(a_recall_of_one_is_an_exact_search, recalls_are_numbers_above_zero,);

const DIM: usize = 24;
const ROWS: usize = 12_000;

/// Rows around 12 centers.
fn clusters(count: usize, seed: u64) -> Vec<f32> {
    let centers = Random::new(1).normals(12 * DIM, 1.0);
    let mut random = Random::new(seed);
    let row = |random: &mut Random| {
        let center = (random.uniform() * 12.0) as usize;
        let noise = random.normals(DIM, 0.5);
        centers[center * DIM..][..DIM].iter().zip(noise).map(|(c, n)| c + n).collect::<Vec<f32>>()
    };
    to_unit((0..count).flat_map(|_| row(&mut random)).collect(), DIM)
}

fn indexed(engine: &CodecOptions, metric: Metric) -> Index {
    let config = ModelConfig::bits(DIM, 12).with_regions(Regions::Count(8));
    let model = Model::fit(&clusters(4000, 2), config).unwrap();
    let codec: Codec = codec(engine, &model);
    Index::new(&codec, codec.encode_flat(&clusters(ROWS, 3)).unwrap(), metric).unwrap()
}

fn approximate(recall: f32) -> SearchOptions<'static> {
    SearchOptions::default().with_mode(SearchMode::Approximate { recall })
}

/// The share of the hits that were found. Those that were have their scores.
fn recall_of(found: &Hits, exact: &Hits) -> f64 {
    let mut shared = 0;
    for query in 0..exact.query_count() {
        let ((ids, scores), (true_ids, true_scores)) = (found.query(query), exact.query(query));
        for (id, score) in ids.iter().zip(scores) {
            if let Some(at) = true_ids.iter().position(|other| other == id) {
                assert_eq!(*score, true_scores[at]);
                shared += 1;
            }
        }
    }
    f64::from(shared) / exact.ids.len() as f64
}

#[test]
fn approximate_searches_find_their_share() {
    let queries = clusters(300, 4);
    let evens = vec![0x5555_5555_5555_5555; ROWS.div_ceil(64)];
    for metric in Metric::ALL {
        let index = indexed(&cpu(), metric);
        for filter in [None, Some(Filter::Rows(&evens))] {
            let with = |options: SearchOptions<'_>| {
                let options = match filter {
                    Some(filter) => options.with_filter(filter),
                    None => options,
                };
                index.search_with(&queries, 10, options).unwrap()
            };
            let exact = with(SearchOptions::default());
            let recalls = [0.3, 0.6, 0.9, 0.99].map(|recall| {
                let measured = recall_of(&with(approximate(recall)), &exact);
                assert!(measured > f64::from(recall) - 0.03, "{metric}: {measured} of {recall}");
                measured
            });
            assert!(recalls[0] < 0.97, "{metric}: a low recall leaves nothing out: {recalls:?}");
            assert!(recalls.is_sorted(), "{metric}: {recalls:?}");
        }
        // One query has the hits that it has among others.
        let one = index.search_with(&queries[..DIM], 10, approximate(0.6)).unwrap();
        let all = index.search_with(&queries, 10, approximate(0.6)).unwrap();
        assert_eq!(one.query(0), all.query(0));
    }
}

fn a_recall_of_one_is_an_exact_search(engine: &CodecOptions) {
    let index = indexed(engine, Metric::Cosine);
    let queries = clusters(20, 5);
    let exact = index.search(&queries, 10).unwrap();
    assert_eq!(index.search_with(&queries, 10, approximate(1.0)).unwrap(), exact);
    // A GPU scores all rows.
    let found = index.search_with(&queries, 10, approximate(0.9)).unwrap();
    assert!(recall_of(&found, &exact) > 0.8);
}

fn recalls_are_numbers_above_zero(engine: &CodecOptions) {
    let index = indexed(engine, Metric::L2);
    let queries = clusters(2, 6);
    for recall in [0.0, -0.5, 1.001, f32::NAN, f32::INFINITY] {
        let error = index.search_with(&queries, 3, approximate(recall)).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Index(IndexError::InvalidRecall { .. })), "{text}");
        assert!(text.contains(&format!("recall is {recall}")), "{text}");
    }
    assert_eq!(index.search_with(&queries, 3, approximate(0.5)).unwrap().k(), 3);
}
