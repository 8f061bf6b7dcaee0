//! Measures SQL over embeddings and over their codes, in Parquet files on this disk.
//!
//! ```text
//! cargo run --release -p vecodec-datafusion --example sql_throughput -- ROWS.npy [NUMBER_OF_ROWS]
//! ```
//!
//! The rows of the file are repeated up to the number, a million if nothing is said, and written as a Parquet file of
//! ids and embeddings. Then it measures, each by the median of three runs on the CPU engine:
//!
//! - `encode`: from Parquet to Parquet with `vecodec_encode`, beside the library alone on rows in memory, and beside
//!   a copy of the file by the same engine;
//! - `search`: the ten best rows by `vecodec_similarity` of a query, beside `inner_product` on the embeddings, and
//!   beside an [`Index`] in memory.
//!
//! Prints a CSV table. `read_bytes` are those of the columns that a query reads.

#[path = "shared/floats.rs"]
mod floats;

use std::path::Path;
use std::time::Instant;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use vecodec::data::DataReader;
use vecodec::{Codec, CodecOptions, Engine, Index, Metric, Model, ModelConfig};
use vecodec_datafusion::{Models, with_vecodec};

type Error = Box<dyn std::error::Error>;

/// Runs of which the median counts.
const RUNS: usize = 3;

struct Row {
    what: &'static str,
    seconds: f64,
    read_bytes: u64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("pass a .npy file of rows")?;
    let count: usize = args.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let mut data = DataReader::open(Path::new(&path), None)?;
    let (dim, mut rows) = (data.dim(), Vec::new());
    data.read(0..data.row_count().min(30_000), &mut rows)?;
    let model = Model::fit(&rows, ModelConfig::bits(dim, 64))?;
    let codec =
        Codec::with_options(model.clone(), CodecOptions::default().with_engine(Engine::Cpu))?;
    let models = Models::new(Engine::Cpu);
    models.register("m", model)?;
    let state = SessionStateBuilder::new().with_default_features();
    let ctx = SessionContext::new_with_state(with_vecodec(state, &models).build());

    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    floats::write(file("floats.parquet"), 0..count, &rows, dim)?;
    ctx.register_parquet("floats", &file("floats.parquet"), ParquetReadOptions::default()).await?;
    let float_bytes = (count * dim * 4) as u64;

    let mut table = Vec::new();
    let sql =
        format!("COPY (SELECT * FROM floats) TO '{}' STORED AS PARQUET", file("copy.parquet"));
    table.push(measured("copy of the file", float_bytes, || run(&ctx, &sql)).await?);
    let sql = format!(
        "COPY (SELECT id, vecodec_encode(embedding, 'm') AS codes FROM floats) TO '{}' STORED AS PARQUET",
        file("codes.parquet")
    );
    table.push(measured("encode, Parquet to Parquet", float_bytes, || run(&ctx, &sql)).await?);
    let repeated: Vec<f32> = rows.iter().cycle().take(count * dim).copied().collect();
    table.push(
        measured("encode, library alone", 0, async || Ok(codec.encode_flat(&repeated)?)).await?,
    );
    let codes = codec.encode_flat(&repeated)?;
    drop(repeated);

    ctx.register_parquet("codes", &file("codes.parquet"), ParquetReadOptions::default()).await?;
    let code_bytes = (count * codes.code_size()) as u64;
    let query = &rows[..dim];
    let list = format!("{query:?}");
    let sql = format!(
        "SELECT id, inner_product(embedding, {list}) AS s FROM floats ORDER BY s DESC LIMIT 10"
    );
    table.push(measured("search, floats", float_bytes, || run(&ctx, &sql)).await?);
    let sql = format!(
        "SELECT id, vecodec_similarity(codes, {list}) AS s FROM codes ORDER BY s DESC LIMIT 10"
    );
    table.push(measured("search, codes", code_bytes, || run(&ctx, &sql)).await?);
    let index = Index::new(&codec, codes, Metric::Cosine)?;
    table
        .push(measured("search, Index in memory", 0, async || Ok(index.search(query, 10)?)).await?);

    println!("what,rows,seconds,rows_per_s,read_bytes");
    for Row { what, seconds, read_bytes } in table {
        println!("\"{what}\",{count},{seconds:.3},{:.0},{read_bytes}", count as f64 / seconds);
    }
    Ok(())
}

async fn run(ctx: &SessionContext, sql: &str) -> Result<(), Error> {
    let batches = ctx.sql(sql).await?.collect().await?;
    match batches.iter().map(|batch| batch.num_rows()).sum::<usize>() {
        0 => Err(format!("no rows: {sql}").into()),
        _ => Ok(()),
    }
}

/// The median of several runs.
async fn measured<T>(
    what: &'static str,
    read_bytes: u64,
    work: impl AsyncFn() -> Result<T, Error>,
) -> Result<Row, Error> {
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        drop(work().await?);
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Row { what, seconds: seconds[RUNS / 2], read_bytes })
}
