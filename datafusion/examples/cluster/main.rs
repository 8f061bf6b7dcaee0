//! A cluster on this machine: a scheduler and two executors as processes, on loopback.
//!
//! `cargo build --features cluster --bins && cargo run --features cluster --example cluster`, with the same profile.
//!
//! It encodes a data set of several Parquet files with one executor and with two, kills one in the middle of a third
//! time, and searches the codes. Codes and hits must be those of the library alone.

mod data;
#[path = "../shared/floats.rs"]
mod floats;
mod processes;

use std::path::Path;
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Float32Type, Int64Type};
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use vecodec::{Codec, CodecOptions, Codes, Engine, Index, Metric, Model, ModelConfig};
use vecodec_datafusion::{Models, cluster};

use data::{DIM, FILES, ROWS};
use processes::{Executor, Scheduler};

type Error = Box<dyn std::error::Error>;

/// Bytes of a row of codes.
const BYTES: usize = 32;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let rows = data::rows();
    data::write(&path("rows"), &rows)?;
    let model = Model::fit(&rows[..5_000 * DIM], ModelConfig::bits(DIM, BYTES))?;
    model.save(path("m.safetensors"))?;
    let codec = Codec::with_options(model, CodecOptions::default().with_engine(Engine::Cpu))?;
    let expected = codec.encode_flat(&rows)?;

    // A model that the scheduler knows, and that no executor can read.
    std::fs::create_dir(path("scheduler"))?;
    let hidden = Model::random(ModelConfig::int8(DIM, 8), 1)?;
    hidden.save(path("scheduler/hidden.safetensors"))?;

    let scheduler = Scheduler::start(folder.path(), &path("scheduler"))?;
    let left = Executor::start(folder.path(), "left", &scheduler)?;
    let models = Models::new(Engine::Cpu);
    models.register_file("m", &path("m.safetensors"))?;
    models.register("hidden", hidden)?;
    let config = cluster::session_config(&models).with_target_partitions(FILES);
    let ctx = cluster::connect(&scheduler.url(), config, &models).await?;
    ctx.register_parquet("t", path("rows"), ParquetReadOptions::default()).await?;

    let one = encode(&ctx, &path("by-one")).await?;
    println!("one executor encodes {ROWS} rows in {:.2} s", one.as_secs_f64());
    check_codes(&ctx, &path("by-one"), &expected).await?;

    let mut right = Executor::start(folder.path(), "right", &scheduler)?;
    let two = encode(&ctx, &path("by-two")).await?;
    let ratio = one.as_secs_f64() / two.as_secs_f64();
    println!("two executors in {:.2} s: {ratio:.2} times the rate", two.as_secs_f64());
    check_codes(&ctx, &path("by-two"), &expected).await?;

    let done = right.finished_tasks();
    let killed = async {
        let before = Instant::now();
        while right.finished_tasks() == done {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        right.kill().map(|()| before.elapsed())
    };
    let codes = path("by-the-one-left");
    let (took, killed) = tokio::join!(encode(&ctx, &codes), killed);
    let (took, killed) = (took?.as_secs_f64(), killed?.as_secs_f64());
    println!("one of two is killed after {killed:.2} s: all rows are encoded after {took:.2} s");
    check_codes(&ctx, &codes, &expected).await?;

    let query = &rows[..DIM];
    let index = Index::new(&codec, expected, Metric::Cosine)?;
    check_search(&ctx, &codes, query, &index).await?;

    let refused = run(&ctx, "SELECT vecodec_encode(embedding, 'hidden') FROM t").await.err();
    let refused = refused.ok_or("a query ran with a model that its executor cannot read")?;
    println!("a model that no executor can read: {refused}");
    assert!(refused.to_string().contains("--models"), "{refused}");
    check_search(&ctx, &codes, query, &index).await?;
    println!("and the cluster answers the next query");
    drop((left, scheduler));
    Ok(())
}

async fn run(ctx: &SessionContext, sql: &str) -> Result<(), Error> {
    ctx.sql(sql).await?.collect().await?;
    Ok(())
}

/// Encodes the data set to a folder.
async fn encode(ctx: &SessionContext, folder: &str) -> Result<Duration, Error> {
    let start = Instant::now();
    let sql = format!(
        "COPY (SELECT id, vecodec_encode(embedding, 'm') AS codes FROM t) TO '{folder}/' STORED AS PARQUET"
    );
    run(ctx, &sql).await?;
    Ok(start.elapsed())
}

/// Fails unless a folder has the codes of all rows, each once.
async fn check_codes(ctx: &SessionContext, folder: &str, expected: &Codes) -> Result<(), Error> {
    register(ctx, folder).await?;
    let batches = ctx.sql("SELECT id, codes FROM c ORDER BY id").await?.collect().await?;
    let records = expected.records()?;
    let mut expected = records.chunks_exact(expected.code_size()).enumerate();
    for batch in &batches {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        let codes = batch.column(1).as_fixed_size_binary();
        for (id, codes) in ids.values().iter().zip(codes.iter()) {
            let (row, record) = expected.next().ok_or("there are more codes than rows")?;
            if (*id as usize, codes) != (row, Some(record)) {
                return Err(format!("row {row}: the codes of row {id} are others").into());
            }
        }
    }
    match expected.next() {
        None => Ok(()),
        Some((row, _)) => Err(format!("row {row} has no codes in {folder}").into()),
    }
}

/// Fails unless the cluster finds what an index finds.
async fn check_search(
    ctx: &SessionContext,
    folder: &str,
    query: &[f32],
    index: &Index,
) -> Result<(), Error> {
    register(ctx, folder).await?;
    let sql = format!(
        "SELECT id, vecodec_similarity(codes, {query:?}) AS score FROM c ORDER BY score DESC LIMIT 10"
    );
    let start = Instant::now();
    let batches = ctx.sql(&sql).await?.collect().await?;
    println!("ten best rows of {ROWS}: {:.3} s", start.elapsed().as_secs_f64());
    let hits = index.search(query, 10)?;
    let ids: Vec<u64> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().iter())
        .map(|id| *id as u64)
        .collect();
    let scores: Vec<f32> = batches
        .iter()
        .flat_map(|batch| batch.column(1).as_primitive::<Float32Type>().values().iter().copied())
        .collect();
    match (ids, scores) == (hits.ids, hits.scores) {
        true => Ok(()),
        false => Err("the cluster finds other rows than an index".into()),
    }
}

async fn register(ctx: &SessionContext, folder: &str) -> Result<(), Error> {
    ctx.deregister_table("c")?;
    if !Path::new(folder).is_dir() {
        return Err(format!("{folder} was not written").into());
    }
    ctx.register_parquet("c", folder, ParquetReadOptions::default()).await?;
    Ok(())
}
