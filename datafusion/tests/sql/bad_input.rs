use vecodec::{Engine, Model, ModelConfig};
use vecodec_datafusion::Models;

use crate::table::{DIM, Table, query, rows, session};

const ENCODED: &str = "(SELECT id, vecodec_encode(embedding, 'm') AS codes FROM t)";

#[tokio::test]
async fn bad_calls_say_what_would_be_right() {
    let table = Table::new();
    let similarity =
        |rest: &str| format!("SELECT vecodec_similarity(codes, {rest}) FROM {ENCODED}");
    let list = table.list(1);
    let cases: Vec<(String, Vec<&str>)> = vec![
        (
            "SELECT vecodec_encode(embedding) FROM t".into(),
            vec!["1 arguments", "vecodec_encode(embedding, 'model')"],
        ),
        ("SELECT vecodec_encode(embedding, id) FROM t".into(), vec!["must be a text"]),
        (
            "SELECT vecodec_encode(embedding, 'nonesuch') FROM t".into(),
            vec!["\"nonesuch\"", "[\"m\"]", "register"],
        ),
        (
            "SELECT vecodec_encode(id, 'm') FROM t".into(),
            vec!["\"id\"", "Int64", "lists of Float32"],
        ),
        ("SELECT vecodec_encode([0.5, 0.25], 'm') FROM t".into(), vec!["2 values", "rows of 24"]),
        ("SELECT vecodec_decode(embedding) FROM t".into(), vec!["\"embedding\"", "vecodec_encode"]),
        (similarity("[0.5, 0.25]"), vec!["query", "2 values", "24"]),
        (similarity("NULL"), vec!["query is null"]),
        (similarity(&format!("{list}, 'manhattan'")), vec!["manhattan", "cosine"]),
        (similarity(&format!("{list}, 'l2'")), vec!["l2", "vecodec_distance"]),
        (
            format!("SELECT vecodec_distance(codes, {list}, 'l2') FROM {ENCODED}"),
            vec!["3 arguments", "vecodec_distance(codes, query)"],
        ),
    ];
    for (sql, words) in cases {
        let message = table.refused(&sql).await;
        for word in words {
            assert!(message.contains(word), "{sql}: {word:?} is not in {message}");
        }
        assert_eq!(table.query("SELECT count(*) FROM t").await.num_rows(), 1);
    }
}

#[tokio::test]
async fn rows_that_are_no_embeddings_are_named() {
    let table = Table::new();
    let nan = table.list(1).replacen("0.", "'NaN'::float + 0.", 1);
    let values = format!("(VALUES ({}), ({nan})) AS v(e)", table.list(0));
    let message = table.refused(&format!("SELECT vecodec_encode(e, 'm') FROM {values}")).await;
    assert!(message.contains("column \"column1\": row 1, column 0 is NaN"), "{message}");
    let short = format!("(VALUES ({}), ([0.5])) AS v(e)", table.list(0));
    let message = table.refused(&format!("SELECT vecodec_encode(e, 'm') FROM {short}")).await;
    assert!(message.contains("column \"column1\", row 1 has 1 values"), "{message}");
}

#[tokio::test]
async fn codes_of_other_models_are_refused() {
    let table = Table::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("codes.parquet").to_str().unwrap().to_owned();
    table.query(&format!("COPY {ENCODED} TO '{file}' STORED AS PARQUET")).await;
    let other = Model::fit(&rows(500, 9), ModelConfig::bits(DIM, 12)).unwrap();
    let models = Models::new(Engine::Cpu);
    models.register("m", other.clone()).unwrap();
    let ctx = session(&models);
    ctx.register_parquet("c", &file, Default::default()).await.unwrap();
    let refused = ctx.sql("SELECT vecodec_decode(codes) FROM c").await.unwrap_err().to_string();
    for fingerprint in [table.codec.model().fingerprint(), other.fingerprint()] {
        assert!(refused.contains(&fingerprint.to_string()), "{refused}");
    }
    assert!(refused.contains("\"codes\"") && refused.contains("register"), "{refused}");
    // Once its model is there, the same query runs.
    models.register("its", table.codec.model().clone()).unwrap();
    query(&ctx, "SELECT vecodec_decode(codes) FROM c").await;
}
