//! Measures searches on codes for several numbers of queries at once. Prints a CSV table:
//!
//!     cargo run --release --example search_throughput -- ROWS.npy QUERIES.npy --model MODEL --rows 1000000
//!
//! The rows of the file are repeated to fill the index. All but the first ones are moved by a little noise
//! before they are encoded, so that no two rows are equal. The rate is that of the median of several searches,
//! after a second of searches that are not timed: an idle GPU takes as long to reach its clock rate.

#[path = "shared/engine.rs"]
mod engine;
#[path = "shared/resident.rs"]
mod resident;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use rayon::prelude::*;
use resident::resident_mib;
use vecodec::{Codec, CodecOptions, Index, Metric, Model, SearchMode, SearchOptions};

#[derive(Parser)]
struct Args {
    /// A .npy file of the rows to search
    data: PathBuf,
    /// A .npy file of queries, repeated as often as needed
    queries: PathBuf,
    /// The model that encodes the rows
    #[arg(long)]
    model: PathBuf,
    /// The engine: auto, cpu, gpu, or gpu:0,1
    #[arg(long, default_value = "auto")]
    engine: String,
    /// Bytes of each GPU's memory that the rows may take. The others are read through the link
    #[arg(long)]
    gpu_memory: Option<u64>,
    /// Rows of the index
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Numbers of queries that are searched together
    #[arg(long, value_delimiter = ',', default_value = "1,16,256,1024")]
    together: Vec<usize>,
    /// Hits per query
    #[arg(short, default_value_t = 10)]
    k: usize,
    /// How queries are compared with rows
    #[arg(long, default_value = "cosine")]
    metric: Metric,
    /// Share of the hits to find
    #[arg(long, default_value_t = 1.0)]
    recall: f32,
    /// Timed searches of each number of queries
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

/// Rows that are encoded at a time.
const BLOCK_ROWS: usize = 1 << 16;

/// Values between -0.02 and 0.02. A value of a row of norm 1 and 384 dimensions is about 0.05.
struct Noise(u64);

impl Noise {
    fn of_row(number: usize) -> Self {
        Self((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> f32 {
        // Marsaglia, Xorshift RNGs, 2003.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0) * 0.02
    }
}

fn read(path: &Path) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    Ok(npyz::NpyFile::new(BufReader::new(File::open(path)?))?.into_vec()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { data, queries, model, engine, gpu_memory, rows, together, k, metric, recall, runs } =
        Args::parse();
    let mut options = CodecOptions::default().with_engine(engine::engine(&engine)?);
    if let Some(bytes) = gpu_memory {
        options = options.with_gpu_memory(bytes);
    }
    let model = Model::load(model)?;
    let dim = model.config().dim;
    let codec = Codec::with_options(model, options)?;
    let given = read(&data)?;
    let mut codes = codec.encode_flat(&given[..given.len().min(rows * dim)])?;
    while codes.row_count() < rows {
        let first = codes.row_count();
        let mut moved = vec![0.0; (rows - first).min(BLOCK_ROWS) * dim];
        moved.par_chunks_exact_mut(dim).enumerate().for_each(|(row, moved)| {
            let mut noise = Noise::of_row(first + row);
            let given = &given[(first + row) % (given.len() / dim) * dim..];
            moved.iter_mut().zip(given).for_each(|(to, value)| *to = value + noise.next());
        });
        codes.append(&codec.encode_flat(&moved)?)?;
    }
    let start = Instant::now();
    let index = Index::new(&codec, codes, metric)?;
    let seconds = start.elapsed().as_secs_f64();
    let (resident, link) = (resident_mib(), index.link_bytes() >> 20);
    eprintln!(
        "loaded {rows} rows in {seconds:.2} s: {index:?}, {resident} MiB resident, {link} MiB by link"
    );
    let options = SearchOptions::default().with_mode(match recall {
        1.0 => SearchMode::Exact,
        recall => SearchMode::Approximate { recall },
    });
    let given = read(&queries)?;
    println!("rows,queries,k,metric,ms,million_rows_per_s,million_row_queries_per_s");
    for count in together {
        let queries: Vec<f32> = given.iter().copied().cycle().take(count * dim).collect();
        let search = || -> Result<f64, vecodec::Error> {
            let start = Instant::now();
            let hits = index.search_with(&queries, k, options)?;
            assert_eq!(hits.query_count(), count);
            Ok(start.elapsed().as_secs_f64())
        };
        let mut warm_up = search()?;
        while warm_up < 1.0 {
            warm_up += search()?;
        }
        let mut seconds = (0..runs.max(1)).map(|_| search()).collect::<Result<Vec<_>, _>>()?;
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let rate = rows as f64 / median / 1e6;
        let pairs = rate * count as f64;
        println!("{rows},{count},{k},{metric},{:.3},{rate:.3},{pairs:.2}", median * 1e3);
    }
    Ok(())
}
