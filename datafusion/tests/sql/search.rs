use vecodec::{Index, Metric};

use crate::table::{DIM, ROWS, Table, floats, ids, is_null};

const ENCODED: &str = "(SELECT id, vecodec_encode(embedding, 'm') AS codes FROM t)";

#[tokio::test]
async fn a_sort_by_score_with_a_limit_is_a_search() {
    let table = Table::new();
    let query = table.list(33);
    let (codes, there) = table.codes();
    for (call, order, metric) in [
        (format!("vecodec_similarity(codes, {query})"), "DESC", Metric::Cosine),
        (
            format!("vecodec_similarity(codes, {query}, 'inner-product')"),
            "DESC",
            Metric::InnerProduct,
        ),
        (format!("vecodec_distance(codes, {query})"), "ASC", Metric::L2),
    ] {
        let index = Index::empty(&table.codec, metric);
        index.append_with_ids(codes.clone(), &there).unwrap();
        for k in [1, 10, ROWS + 5] {
            let hits = index.search(&table.rows[33 * DIM..34 * DIM], k).unwrap();
            let sql = format!(
                "SELECT id, {call} AS s FROM {ENCODED} ORDER BY s {order} NULLS LAST LIMIT {k}"
            );
            let plan = table.plan(&sql).await;
            let line = format!(
                "CodesTopKExec: k={k}, codes=vecodec_encode(embedding@1, m), metric={metric}"
            );
            assert!(plan.contains(&line), "{plan}");
            let found = table.query(&sql).await;
            let scores: Vec<f32> = floats(&found, "s").into_iter().flatten().collect();
            assert_eq!(scores, hits.scores, "{call}, {k}");
            assert_eq!(found.num_rows(), k.min(ROWS), "{call}, {k}");
            if k == 10 {
                assert_eq!(ids(&found), hits.ids, "{call}");
            }
            // The score may be sorted by without being selected.
            let sql =
                format!("SELECT id FROM {ENCODED} ORDER BY {call} {order} NULLS LAST LIMIT {k}");
            assert!(table.plan(&sql).await.contains("CodesTopKExec"), "{}", table.plan(&sql).await);
            assert_eq!(ids(&table.query(&sql).await)[..1], hits.ids[..1], "{call}, {k}");
        }
    }
}

#[tokio::test]
async fn rows_without_codes_and_predicates_are_what_the_sort_says() {
    let table = Table::new();
    let call = format!("vecodec_similarity(codes, {})", table.list(33));
    // Nulls come first in a descending order.
    let nulls = (0..ROWS).filter(|row| is_null(*row)).count();
    let sql = format!("SELECT id, {call} AS s FROM {ENCODED} ORDER BY s DESC LIMIT {}", nulls + 3);
    assert!(table.plan(&sql).await.contains("CodesTopKExec"));
    let found = table.query(&sql).await;
    assert_eq!(floats(&found, "s").iter().filter(|score| score.is_none()).count(), nulls);
    assert_eq!(ids(&found)[nulls], 33);

    let sql = format!(
        "SELECT id, {call} AS s FROM {ENCODED} WHERE id % 2 = 0 AND id <> 40 ORDER BY s DESC NULLS LAST LIMIT 5"
    );
    assert!(table.plan(&sql).await.contains("CodesTopKExec"));
    let found = table.query(&sql).await;
    let all = format!(
        "SELECT id, {call} AS s FROM {ENCODED} WHERE id % 2 = 0 AND id <> 40 AND s IS NOT NULL"
    );
    let all = table.query(&all.replace("AND s IS NOT NULL", "")).await;
    let mut scores: Vec<f32> = floats(&all, "s").into_iter().flatten().collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let best: Vec<f32> = floats(&found, "s").into_iter().flatten().collect();
    assert_eq!(best, scores[..5]);
    assert!(ids(&found).iter().all(|id| id % 2 == 0 && *id != 40));
}

#[tokio::test]
async fn other_sorts_are_left_alone() {
    let table = Table::new();
    let call = format!("vecodec_similarity(codes, {})", table.list(33));
    for order in [
        // The worst rows, all rows, and rows of equal scores in another order.
        "ORDER BY s ASC LIMIT 5",
        "ORDER BY s DESC",
        "ORDER BY s DESC, id DESC LIMIT 5",
        "ORDER BY s + 1 DESC LIMIT 5",
    ] {
        let plan = table.plan(&format!("SELECT id, {call} AS s FROM {ENCODED} {order}")).await;
        assert!(!plan.contains("CodesTopKExec"), "{order}: {plan}");
    }
}
