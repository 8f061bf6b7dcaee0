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
    floats::write(&file("floats.parquet"), &rows, dim, count)?;
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

/// The file of embeddings.
mod floats {
    use std::fs::File;
    use std::sync::Arc;

    use datafusion::arrow::array::{FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::parquet::arrow::ArrowWriter;
    use datafusion::parquet::file::properties::WriterProperties;

    const BATCH_ROWS: usize = 1 << 13;

    pub fn write(path: &str, rows: &[f32], dim: usize, count: usize) -> Result<(), super::Error> {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("embedding", DataType::FixedSizeList(item.clone(), dim as i32), false),
        ]));
        // As a file of floats is written best: they neither repeat nor compress.
        let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
        let mut writer =
            ArrowWriter::try_new(File::create(path)?, schema.clone(), Some(properties))?;
        let mut values = rows.iter().cycle().copied();
        for first in (0..count).step_by(BATCH_ROWS) {
            let len = BATCH_ROWS.min(count - first);
            let ids = Int64Array::from_iter_values(first as i64..(first + len) as i64);
            let values = Float32Array::from_iter_values(values.by_ref().take(len * dim));
            let lists = FixedSizeListArray::new(item.clone(), dim as i32, Arc::new(values), None);
            writer.write(&RecordBatch::try_new(
                schema.clone(),
                vec![Arc::new(ids), Arc::new(lists)],
            )?)?;
        }
        writer.close()?;
        Ok(())
    }
}
