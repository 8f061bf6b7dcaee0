//! The functions in plans that travel: a scheduler and an executor in this process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Float32Type;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use vecodec::{Engine, Index, Metric};
use vecodec_datafusion::{Models, cluster};

use crate::table::{DIM, ROWS, Table, floats, ids, query};

/// The table as a folder of Parquet files, and a cluster that reads it as `t`.
async fn cluster_of(table: &Table, folder: &Path, models: &Models) -> SessionContext {
    let rows = folder.join("rows").display().to_string();
    table.query(&format!("COPY (SELECT * FROM t) TO '{rows}/' STORED AS PARQUET")).await;
    let config = cluster::session_config(models).with_target_partitions(2);
    let ctx = cluster::standalone(config, models).await.unwrap();
    ctx.register_parquet("t", &rows, ParquetReadOptions::default()).await.unwrap();
    ctx
}

fn models_of(table: &Table, folder: &Path) -> Models {
    let file = folder.join("m.safetensors");
    table.codec.model().save(&file).unwrap();
    let models = Models::new(Engine::Cpu);
    models.register_file("m", file.to_str().unwrap()).unwrap();
    models
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_in_a_cluster_give_what_they_give_alone() {
    let (table, folder) = (Table::new(), tempfile::tempdir().unwrap());
    let models = models_of(&table, folder.path());
    let ctx = cluster_of(&table, folder.path(), &models).await;
    let encoded = "(SELECT id, embedding, vecodec_encode(embedding, 'm') AS codes FROM t)";
    let list = table.list(7);
    for sql in [
        format!("SELECT id, codes FROM {encoded} ORDER BY id"),
        format!("SELECT id, vecodec_decode(codes) AS x FROM {encoded} ORDER BY id"),
        format!("SELECT id, vecodec_similarity(codes, {list}) AS s FROM {encoded} ORDER BY id"),
        format!("SELECT id, vecodec_distance(codes, {list}) AS s FROM {encoded} ORDER BY id"),
        format!("SELECT id, vecodec_error(embedding, codes) AS e FROM {encoded} ORDER BY id"),
        // Through an exchange, after which the columns have lost their metadata.
        format!(
            "SELECT id, vecodec_decode(codes) AS x FROM
             (SELECT id, first_value(codes) AS codes FROM {encoded} GROUP BY id) ORDER BY id"
        ),
        format!(
            "SELECT count(*) AS n FROM {encoded} WHERE vecodec_similarity(codes, {list}) > 0.5"
        ),
    ] {
        let (alone, there) = (table.query(&sql).await, query(&ctx, &sql).await);
        assert_eq!(alone.columns(), there.columns(), "{sql}");
        for (alone, there) in alone.schema().fields().iter().zip(there.schema().fields()) {
            assert_eq!(alone.metadata(), there.metadata(), "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_encodes_files_and_searches_them() {
    let (table, folder) = (Table::new(), tempfile::tempdir().unwrap());
    let models = models_of(&table, folder.path());
    let ctx = cluster_of(&table, folder.path(), &models).await;
    let codes = folder.path().join("codes").display().to_string();
    let sql = format!(
        "COPY (SELECT id, vecodec_encode(embedding, 'm') AS codes FROM t) TO '{codes}/' STORED AS PARQUET"
    );
    query(&ctx, &sql).await;
    ctx.register_parquet("c", &codes, ParquetReadOptions::default()).await.unwrap();
    // The files name their model.
    assert_eq!(query(&ctx, "SELECT vecodec_decode(codes) AS x FROM c").await.num_rows(), ROWS);

    let (expected, there) = table.codes();
    for (call, order, metric) in
        [("vecodec_similarity", "DESC", Metric::Cosine), ("vecodec_distance", "ASC", Metric::L2)]
    {
        let index = Index::empty(&table.codec, metric);
        index.append_with_ids(expected.clone(), &there).unwrap();
        let hits = index.search(&table.rows[33 * DIM..34 * DIM], 10).unwrap();
        let sql = format!(
            "SELECT id, {call}(codes, {}) AS s FROM c ORDER BY s {order} NULLS LAST LIMIT 10",
            table.list(33)
        );
        let found = query(&ctx, &sql).await;
        assert_eq!(ids(&found), hits.ids, "{call}");
        let plan = query(&ctx, &format!("EXPLAIN {sql}")).await;
        let plan = plan.column_by_name("plan").unwrap().as_string::<i32>();
        assert!(plan.iter().flatten().any(|plan| plan.contains("CodesTopKExec: k=10")), "{plan:?}");
        let scores: Vec<f32> = floats(&found, "s").into_iter().flatten().collect();
        assert_eq!(scores, hits.scores, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_come_from_where_their_name_says() {
    let (table, folder) = (Table::new(), tempfile::tempdir().unwrap());
    models_of(&table, folder.path());
    let (served, requests) = serve(std::fs::read(folder.path().join("m.safetensors")).unwrap());
    for location in [
        folder.path().join("m.safetensors").display().to_string(),
        format!("file://{}", folder.path().join("m.safetensors").display()),
        format!("http://{served}/models/m.safetensors"),
    ] {
        let elsewhere = Models::new(Engine::Cpu);
        let find = || elsewhere.named(&location).unwrap().model().fingerprint();
        std::thread::scope(|scope| {
            let found: Vec<_> = (0..4).map(|_| scope.spawn(find)).collect();
            for found in found {
                assert_eq!(found.join().unwrap(), table.codec.model().fingerprint(), "{location}");
            }
        });
        let sql = format!(
            "SELECT id, vecodec_decode(vecodec_encode(embedding, '{location}')) AS x FROM t"
        );
        let ctx = cluster_of(&table, folder.path(), &elsewhere).await;
        let found = query(&ctx, &format!("{sql} ORDER BY id")).await;
        let first = found.column_by_name("x").unwrap().as_fixed_size_list().value(0);
        let expected =
            table.codec.decode_flat(&table.codec.encode_flat(&table.rows).unwrap()).unwrap();
        for (a, b) in first.as_primitive::<Float32Type>().values().iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "{a} for {b}");
        }
    }
    // Four threads, and a session of its own, read it once.
    assert_eq!(requests.load(Ordering::Relaxed), 1);
    let missing = format!("http://{served}/nonesuch.safetensors");
    for location in [missing.as_str(), "nonesuch://models/m.safetensors"] {
        let message = Models::new(Engine::Cpu).named(location).unwrap_err().to_string();
        assert!(message.contains(location), "{message}");
    }
}

/// Serves one file at `/models/m.safetensors` over HTTP, until the process ends. Returns the address, and the number of
/// times it was read.
fn serve(file: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = [0; 4096];
            let len = connection.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..len]).into_owned();
            let (status, body) = match request.starts_with("GET /models/m.safetensors ") {
                true => {
                    counted.fetch_add(1, Ordering::Relaxed);
                    ("200 OK", &file[..])
                }
                false => ("404 Not Found", &[][..]),
            };
            let date = "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT";
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{date}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // The client may have gone.
            let _ = connection.write_all(&[head.as_bytes(), body].concat());
        }
    });
    (address, requests)
}
