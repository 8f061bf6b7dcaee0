//! Calls of an index that are not valid.

use vecodec::{Error, ErrorKind, Filter, Index, IndexError, Metric, ModelConfig, SearchOptions};

use super::{case, queries};
use crate::engines::{codec, cpu};

fn index_error(error: Error) -> IndexError {
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    match error {
        Error::Index(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_calls_name_the_value_and_leave_the_index_as_it_was() {
    let case = case(24, 130, ModelConfig::bits(24, 8), true);
    let codec = codec(&cpu(), &case.model);
    let codes = codec.encode_flat(&case.rows).unwrap();
    let index = Index::new(&codec, codes.clone(), Metric::Cosine).unwrap();
    let queries = queries(3, &case.rows, 24);
    let expected = index.search(&queries, 5).unwrap();

    assert!(matches!(index_error(index.search(&queries, 0).unwrap_err()), IndexError::ZeroHits));
    let mut bad = queries.clone();
    bad[2][7] = f32::NAN;
    let error = index_error(index.search(&bad, 5).unwrap_err());
    assert!(matches!(error, IndexError::NonFiniteQuery { query: 2, column: 7, .. }), "{error}");
    assert!(error.to_string().starts_with("query 2, column 7 is NaN"), "{error}");
    let error = index.search(&[[0.0f32; 23]], 5).unwrap_err();
    assert!(matches!(error, Error::RowLength { row: 0, expected: 24, found: 23, .. }), "{error}");
    let error = index.search(&[0.0f32; 25], 5).unwrap_err();
    assert!(matches!(error, Error::FlatLength { what: "queries", len: 25, .. }), "{error}");
    assert!(matches!(index.search(&[0.0f32; 0], 5).unwrap_err(), Error::EmptyBatch { .. }));

    for words in [vec![], vec![0; 2], vec![0; 4]] {
        let options = SearchOptions::default().with_filter(Filter::Rows(&words));
        let error = index_error(index.search_with(&queries, 5, options).unwrap_err());
        let expected = matches!(
            error,
            IndexError::FilterLength { expected: 3, found, rows: 130, .. } if found == words.len()
        );
        assert!(expected, "{error}");
    }
    let error = index_error(index.search_among(&queries, &[[1u64]; 2], 5).unwrap_err());
    assert!(matches!(error, IndexError::CandidatesLength { queries: 3, found: 2, .. }), "{error}");
    for id in [130, u64::MAX] {
        let candidates = [vec![1], vec![id], vec![]];
        let error = index_error(index.search_among(&queries, &candidates, 5).unwrap_err());
        assert!(matches!(error, IndexError::UnknownId { id: found, .. } if found == id), "{error}");
        let error = index_error(index.decode_rows(&[3, id]).unwrap_err());
        assert!(matches!(error, IndexError::UnknownId { id: found, .. } if found == id), "{error}");
        let error = index_error(index.remove(&[3, id]).unwrap_err());
        assert!(matches!(error, IndexError::UnknownId { id: found, .. } if found == id), "{error}");
    }
    assert!(matches!(index.decode_rows(&[]).unwrap_err(), Error::EmptyBatch { .. }));

    let ids: Vec<u64> = (500..630).collect();
    let append = |ids: &[u64]| index_error(index.append_with_ids(codes.clone(), ids).unwrap_err());
    let error = append(&ids[1..]);
    assert!(matches!(error, IndexError::IdsLength { rows: 130, found: 129, .. }), "{error}");
    let mut twice = ids.clone();
    twice[100] = twice[5];
    assert!(matches!(append(&twice), IndexError::DuplicateId { id: 505, .. }));
    twice[100] = u64::MAX;
    assert!(matches!(append(&twice), IndexError::ReservedId { row: 100, .. }));
    twice[100] = 129;
    assert!(matches!(append(&twice), IndexError::DuplicateId { id: 129, .. }));

    let other = super::case(24, 5, ModelConfig::bits(24, 7), true);
    let foreign = crate::engines::codec(&cpu(), &other.model).encode_flat(&other.rows).unwrap();
    let error = index.append(foreign).unwrap_err();
    assert!(matches!(error, Error::OtherModel { .. }), "{error}");

    assert_eq!(index.len(), 130);
    assert_eq!(index.search(&queries, 5).unwrap(), expected);
}

#[test]
fn ids_that_were_removed_are_free() {
    let case = case(24, 130, ModelConfig::bits(24, 8), true);
    let codec = codec(&cpu(), &case.model);
    let codes = codec.encode_flat(&case.rows).unwrap();
    let index = Index::new(&codec, codes.clone(), Metric::Cosine).unwrap();
    let (four, two) = (codes.slice(0..4).unwrap(), codes.slice(0..2).unwrap());
    index.append_with_ids(four.clone(), &[900, 130, 132, 5000]).unwrap();
    // The next rows without ids would be 134 and 135.
    index.append(two.clone()).unwrap();
    index.append_with_ids(two.clone(), &[139, 10_000]).unwrap();
    let error = index_error(index.append(two.clone()).unwrap_err());
    assert!(matches!(error, IndexError::DuplicateId { id: 139, .. }), "{error}");
    index.remove(&[139, 7, 900]).unwrap();
    let error = index_error(index.remove(&[7]).unwrap_err());
    assert!(matches!(error, IndexError::UnknownId { id: 7, .. }), "{error}");
    let error = index_error(index.decode_rows(&[900]).unwrap_err());
    assert!(matches!(error, IndexError::UnknownId { id: 900, .. }), "{error}");
    for _ in 0..2 {
        assert_eq!(index.len(), 138 - 3);
        index.append_with_ids(two.clone(), &[7, 900]).unwrap();
        index.remove(&[900, 7]).unwrap();
        index.compact();
    }
}

#[test]
fn an_index_without_rows_finds_nothing() {
    let case = case(24, 30, ModelConfig::bits(24, 8), true);
    let codec = codec(&cpu(), &case.model);
    let index = Index::empty(&codec, Metric::L2);
    let queries = queries(3, &case.rows, 24);
    for _ in 0..2 {
        assert!(index.is_empty());
        let hits = index.search(&queries, 5).unwrap();
        assert_eq!((hits.k(), hits.ids.len(), hits.query_count()), (0, 0, 0));
        index.append(codec.encode_flat(&case.rows).unwrap()).unwrap();
        let hits = index.search(&queries, 100).unwrap();
        assert_eq!((hits.k(), hits.query_count()), (30, 3));
        let first = hits.ids.iter().min().copied().unwrap();
        index.remove(&(first..first + 30).collect::<Vec<u64>>()).unwrap();
    }
}
