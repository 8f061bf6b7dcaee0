use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Float32Type;
use vecodec::{Coding, Index, Metric, ModelConfig, RowNorm};

use crate::table::{DIM, ROWS, Table, floats, ids, is_null};

#[tokio::test]
async fn codes_and_rows_are_those_of_the_library() {
    let scalar =
        ModelConfig::bits(DIM, 12).with_coding(Coding::Scalar).with_row_norm(RowNorm::Store);
    for config in [ModelConfig::int8(DIM, 9).into(), ModelConfig::from(scalar)] {
        let table = Table::of(config);
        let sql = "SELECT id, codes, vecodec_decode(codes) AS rows
                   FROM (SELECT id, vecodec_encode(embedding, 'm') AS codes FROM t) ORDER BY id";
        let found = table.query(sql).await;
        assert_eq!(found.num_rows(), ROWS);
        let (codes, there) = table.codes();
        let (records, size) = (codes.records().unwrap(), codes.code_size());
        let column = found.column_by_name("codes").unwrap().as_fixed_size_binary();
        let rows = found.column_by_name("rows").unwrap().as_fixed_size_list();
        let decoded = table.codec.decode_flat(&codes).unwrap();
        assert_eq!(column.null_count(), ROWS - there.len());
        assert_eq!(rows.null_count(), ROWS - there.len());
        for (at, &id) in there.iter().enumerate() {
            assert_eq!(column.value(id as usize), &records[at * size..][..size]);
            let row = rows.value(id as usize);
            let expected = &decoded[at * DIM..][..DIM];
            for (a, b) in row.as_primitive::<Float32Type>().values().iter().zip(expected) {
                assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "{a} for {b}");
            }
        }
    }
}

#[tokio::test]
async fn scores_are_those_of_an_index() {
    let table = Table::new();
    let query = table.list(7);
    let (codes, there) = table.codes();
    let encoded = "(SELECT id, vecodec_encode(embedding, 'm') AS codes FROM t)";
    for (call, metric) in [
        (format!("vecodec_similarity(codes, {query})"), Metric::Cosine),
        (format!("vecodec_similarity(codes, {query}, 'cosine')"), Metric::Cosine),
        (format!("vecodec_similarity(codes, {query}, 'inner-product')"), Metric::InnerProduct),
        (format!("vecodec_distance(codes, {query})"), Metric::L2),
    ] {
        let index = Index::empty(&table.codec, metric);
        index.append_with_ids(codes.clone(), &there).unwrap();
        let hits = index.search(&table.rows[7 * DIM..8 * DIM], there.len()).unwrap();
        let found =
            table.query(&format!("SELECT id, {call} AS s FROM {encoded} ORDER BY id")).await;
        let scores = floats(&found, "s");
        for (id, score) in hits.ids.iter().zip(&hits.scores) {
            assert_eq!(scores[*id as usize], Some(*score), "{call}, row {id}");
        }
        assert!((0..ROWS).all(|row| scores[row].is_none() == is_null(row)), "{call}");

        // A query of each row's own: here the same, from a table.
        let sql = format!(
            "SELECT id, {} AS s FROM {encoded} CROSS JOIN (SELECT embedding AS q FROM t WHERE id = 7) ORDER BY id",
            call.replace(&query, "q")
        );
        assert_eq!(floats(&table.query(&sql).await, "s"), scores, "{call}");
    }
}

#[tokio::test]
async fn errors_of_rows_are_relative() {
    let table = Table::new();
    let sql = "SELECT id, vecodec_error(embedding, vecodec_encode(embedding, 'm')) AS e FROM t ORDER BY id";
    let found = table.query(sql).await;
    let (errors, (codes, there)) = (floats(&found, "e"), table.codes());
    assert_eq!(ids(&found).len(), ROWS);
    let decoded = table.codec.decode_flat(&codes).unwrap();
    for (y, id) in decoded.chunks_exact(DIM).zip(there) {
        let x = &table.rows[id as usize * DIM..][..DIM];
        let norm: f32 = x.iter().map(|x| x * x).sum();
        let error: f32 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
        let found = errors[id as usize].unwrap();
        assert!(
            (found - error / norm).abs() < 1e-5 * (1.0 + found),
            "{found} for {}",
            error / norm
        );
        assert!(found < 0.5, "{found}");
    }
    assert!((0..ROWS).all(|row| errors[row].is_none() == is_null(row)));
}
