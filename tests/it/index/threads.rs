//! An index that several threads use.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use vecodec::{Index, Metric, ModelConfig};

use super::{case, queries};
use crate::engines::{codec, cpu};

#[test]
fn searches_see_whole_batches_while_others_append_and_remove() {
    const BATCH: usize = 50;
    const BATCHES: usize = 40;
    let case = case(24, BATCH, ModelConfig::bits(24, 8), true);
    let codec = codec(&cpu(), &case.model);
    let codes = codec.encode_flat(&case.rows).unwrap();
    let index = Index::new(&codec, codes.clone(), Metric::Cosine).unwrap();
    let queries = queries(3, &case.rows, 24);
    let best = index.search(&queries, 1).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let searchers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut searches = 0;
                    while !is_done.load(Ordering::Relaxed) || searches == 0 {
                        let hits = index.search(&queries, BATCH * BATCHES * 8).unwrap();
                        // Every batch is there as a whole, or not at all.
                        assert_eq!(hits.k() % BATCH, 0);
                        for query in 0..3 {
                            let (ids, scores) = hits.query(query);
                            assert_eq!(scores[0], best.query(query).1[0]);
                            let mut ids = ids.to_vec();
                            ids.sort_unstable();
                            ids.dedup();
                            assert_eq!(ids.len(), hits.k());
                        }
                        searches += 1;
                    }
                })
            })
            .collect();
        let changers: Vec<_> = (1..=4u64)
            .map(|changer| {
                let (index, codes) = (&index, &codes);
                scope.spawn(move || {
                    for batch in 0..BATCHES as u64 {
                        let first = changer << 32 | batch << 16;
                        let ids: Vec<u64> = (first..first + BATCH as u64).collect();
                        index.append_with_ids(codes.clone(), &ids).unwrap();
                        if batch % 3 == 0 {
                            index.remove(&ids).unwrap();
                        }
                        if batch % 10 == 9 {
                            index.compact();
                        }
                    }
                })
            })
            .collect();
        changers.into_iter().for_each(|changer| changer.join().unwrap());
        is_done.store(true, Ordering::Relaxed);
        searchers.into_iter().for_each(|searcher| searcher.join().unwrap());
    });
    let removed = 4 * BATCHES.div_ceil(3);
    assert_eq!(index.len(), BATCH * (1 + 4 * BATCHES - removed));
    assert_eq!(index.search(&queries, 1).unwrap(), best, "the first of equal rows");
}

#[test]
fn a_future_finds_what_a_call_finds() {
    let case = case(24, 400, ModelConfig::bits(24, 8), true);
    let codec = codec(&cpu(), &case.model);
    let index = Index::new(&codec, codec.encode_flat(&case.rows).unwrap(), Metric::L2).unwrap();
    let queries = queries(40, &case.rows, 24);
    let expected = index.search(&queries, 6).unwrap();
    let several = async {
        let (first, second) = (index.search_async(&queries, 6), index.search_async(&queries, 6));
        (first.await, second.await)
    };
    let (first, second) = pollster::block_on(several);
    assert_eq!(first.unwrap(), expected);
    assert_eq!(second.unwrap(), expected);
    // What is dropped leaves nothing behind.
    drop(index.search_async(&queries, 6));
    assert!(pollster::block_on(index.search_async(&queries, 0)).is_err());
    assert_eq!(index.search(&queries, 6).unwrap(), expected);
}
