use datafusion::arrow::array::AsArray;
use vecodec_arrow::CodesType;
use vecodec_datafusion::Models;

use crate::table::{DIM, ROWS, Table, floats, query, session};

#[tokio::test]
async fn a_parquet_file_of_codes_knows_its_model() {
    let table = Table::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("codes.parquet");
    let file = file.to_str().unwrap();
    let sql = format!(
        "COPY (SELECT id, vecodec_encode(embedding, 'm') AS codes FROM t) TO '{file}' STORED AS PARQUET"
    );
    table.query(&sql).await;

    // Another process: a model under another name, from its file.
    table.codec.model().save(folder.path().join("other.safetensors")).unwrap();
    let models = Models::new(vecodec::Engine::Cpu);
    models.register_folder(folder.path()).unwrap();
    let ctx = session(&models);
    ctx.register_parquet("c", file, Default::default()).await.unwrap();
    let schema = ctx.table("c").await.unwrap().schema().as_arrow().clone();
    let field = schema.field_with_name("codes").unwrap();
    let codes = field.try_extension_type::<CodesType>().unwrap();
    assert_eq!(codes.fingerprint(), table.codec.model().fingerprint().to_string());

    let found = query(&ctx, "SELECT vecodec_decode(codes) AS rows FROM c").await;
    assert_eq!(found.num_rows(), ROWS);
    assert_eq!(found.column(0).as_fixed_size_list().value_length(), DIM as i32);

    let sql = format!(
        "SELECT id, vecodec_similarity(codes, {}) AS s FROM c ORDER BY s DESC NULLS LAST LIMIT 3",
        table.list(50)
    );
    let plan = ctx.sql(&format!("EXPLAIN {sql}")).await.unwrap().to_string().await.unwrap();
    assert!(plan.contains("CodesTopKExec: k=3"), "{plan}");
    assert_eq!(crate::table::ids(&query(&ctx, &sql).await)[0], 50);
    assert!(floats(&query(&ctx, &sql).await, "s")[0].unwrap() > 0.9);
}
