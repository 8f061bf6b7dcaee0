use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Float32Type, Float64Type};
use vecodec::{Model, ModelConfig};
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

    // The file is read with the predicate and without columns that are not asked for, and the search is above it.
    let sql = sql.replace("FROM c", "FROM c WHERE id > 60");
    let plan = ctx.sql(&format!("EXPLAIN {sql}")).await.unwrap().to_string().await.unwrap();
    let [search, scan] = ["CodesTopKExec: k=3", "predicate=id"].map(|part| plan.find(part));
    assert!(search.is_some() && search < scan, "{plan}");
    let found = query(&ctx, &sql).await;
    assert!(found.num_rows() == 3 && crate::table::ids(&found).iter().all(|id| *id > 60));
    assert!(floats(&query(&ctx, &sql).await, "s")[0].unwrap() > 0.9);
}

/// As `docs/scale.md` has it.
#[tokio::test]
async fn a_model_is_fitted_to_a_random_sample() {
    let table = Table::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sample.parquet");
    let sample = format!(
        "COPY (SELECT embedding FROM t WHERE random() < 0.5 AND embedding IS NOT NULL) TO '{}' STORED AS PARQUET",
        file.display()
    );
    table.query(&sample).await;
    table.ctx.register_parquet("s", file.to_str().unwrap(), Default::default()).await.unwrap();
    let found = table.query("SELECT embedding FROM s").await;
    assert!(ROWS / 4 < found.num_rows() && found.num_rows() < 3 * ROWS / 4, "{}", found.num_rows());
    let values = found.column(0).as_fixed_size_list().values().clone();
    let model =
        Model::fit(values.as_primitive::<Float32Type>().values(), ModelConfig::bits(DIM, 12));
    table.models.register("sampled", model.unwrap()).unwrap();
    let error =
        "SELECT avg(vecodec_error(embedding, vecodec_encode(embedding, 'sampled'))) AS e FROM t";
    let error = table.query(error).await;
    let error = error.column(0).as_primitive::<Float64Type>().value(0);
    assert!(0.0 < error && error < 0.3, "{error}");
}
