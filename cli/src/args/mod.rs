//! The command line.

mod values;

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand};
use vecodec::{Metric, Regions};

pub use values::{CodingArg, EngineArg, ObjectiveArg, RowNormArg};
use values::{hits, metric, recall, regions, sample_rows, threshold};

use crate::rows::{RowRange, SkipInvalid};
use crate::writer::ValueType;

/// Compresses embedding vectors with a learned linear codec.
///
/// Data files are .npy, .npz, .safetensors, .fvecs, .bvecs, .fbin, .u8bin or .i8bin. Values are floats
/// of 16, 32 or 64 bits, or integers of 8 bits. `-` reads .npy or .safetensors from the standard input,
/// as do pipes.
#[cfg_attr(
    feature = "parquet",
    doc = "",
    doc = "`fit`, `encode`, `decode` and `search` also take .parquet files, folders of them, and patterns such as \
           'part-*.parquet'. A column of lists is encoded to one of fixed-size binary, which names its model, and \
           the other columns pass through."
)]
#[derive(Parser)]
#[command(name = "vecodec", version)]
pub struct Args {
    /// Print errors only: no notes, no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Fit a model to training vectors
    Fit(FitArgs),
    /// Encode vectors to a file of codes
    Encode(EncodeArgs),
    /// Decode a file of codes to vectors
    Decode(DecodeArgs),
    /// Move codes to another model, as after a new fit, without the original vectors
    ///
    /// Each row is decoded by the old model and encoded by the new one. It then has the errors of both
    /// codes. Encode the original vectors where they are still there.
    Reencode(ReencodeArgs),
    /// Measure the error of a model, or compare the sizes that rows can have
    ///
    /// With --model, all rows are encoded and decoded, and one report is printed.
    ///
    /// Without --model, a random half of the rows is fitted and the other half is measured. A table
    /// has a line for each size: 8-bit codes (int8) and bit codes (bits) at several budgets. The
    /// recommended size is the smallest size whose recall@10 is at least --keep. --latent or
    /// --bytes restricts the table to one size.
    ///
    /// recall@k is the share of the k true nearest rows among the k found. The queries are up to
    /// 1,000 of the measured rows, as they are in the file. The candidates of a query are all other
    /// measured rows. The true nearest rows are the candidates of the highest cosine similarity to
    /// the query. The found rows are what a search of the codes by cosine finds, as `search` does. The
    /// search compares every query with every candidate. Recall is lower where there are more
    /// candidates.
    ///
    /// Rates are measured with rows in memory, after a first pass that is not timed.
    Eval(EvalArgs),
    /// Compare vectors with those that a model was fitted on
    ///
    /// All rows are encoded and decoded. The ratio is their error over that of rows that were held out of
    /// the fit: about 1 while the rows are of the same kind. A row is clipped if its norm is less than half
    /// of the least or more than twice the largest norm of the fit; the norm of a row of zeros does not
    /// count. With bit codes, a row is also clipped if a latent is more than four times the largest value
    /// that its bits can give, and more than eight times its step. Rows that someone forgot to normalise
    /// usually are.
    ///
    /// The exit status is 3 if the ratio is past --threshold.
    Check(CheckArgs),
    /// Search codes for the nearest rows of each query
    ///
    /// All rows are compared with each query, without decoding a row. Scores are those of the decoded rows.
    /// Rows have the ids of their file, or are numbered from 0.
    ///
    /// With -o, hits are written to an .npz file with two arrays [queries, k]: `ids` of int64 and `scores`
    /// of float32, the best hit of each query first. Otherwise they are printed as a table.
    Search(SearchArgs),
    /// Describe a model, a file of codes or a data file
    Inspect(InspectArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual pages of all commands
    ///
    /// `vecodec man | man -l -` shows them.
    Man,
}

#[derive(clap::Args)]
#[command(group(ArgGroup::new("budget").required(true).args(["latent", "bytes"])))]
pub struct FitArgs {
    /// Data file of the training vectors, of any size; `-` is the standard input
    pub train: PathBuf,
    #[command(flatten)]
    pub tensor: TensorArgs,
    #[command(flatten)]
    pub size: SizeArgs,
    /// Apply a ReLU to the latents, with --latent
    #[arg(long, conflicts_with = "bytes")]
    pub relu: bool,
    /// Normalise the latents, with --latent
    #[arg(long, conflicts_with = "bytes")]
    pub normalize: bool,
    /// Regions of the model, with --bytes: auto, or a number from 1 to 256. Several regions need less
    /// error for the same bytes
    #[arg(long, value_name = "auto|N", value_parser = regions, default_value = "auto", conflicts_with = "latent")]
    pub regions: Regions,
    /// Whether the norm of each row takes four of the bytes, with --bytes
    #[arg(long, value_enum, default_value_t, conflicts_with = "latent")]
    pub row_norm: RowNormArg,
    /// What the bits of --bytes are spent for
    #[arg(long, value_enum, default_value_t, conflicts_with = "latent")]
    pub objective: ObjectiveArg,
    /// Data file of queries of the kind that will be searched for, with --objective search and at least
    /// 1,000 training vectors; the training vectors are taken without it
    #[arg(long, value_name = "FILE", conflicts_with = "latent")]
    pub queries: Option<PathBuf>,
    /// Model of as many values and bytes per row to start from, with --bytes: what `fit` chose for it
    /// stays, which takes about a quarter of the time
    #[arg(long, value_name = "OLD", conflicts_with = "latent")]
    pub warm_start: Option<PathBuf>,
    /// Path of the model to write (safetensors)
    #[arg(short, long, value_name = "MODEL")]
    pub output: PathBuf,
    /// Drop rows with NaN or infinity, or replace them by zeros; they are errors otherwise
    #[arg(long, value_enum, value_name = "HOW")]
    pub skip_invalid: Option<SkipInvalid>,
    /// Largest number of rows to read; they are drawn at random from a larger file, which may be larger
    /// than the memory
    #[arg(long, value_name = "ROWS", default_value_t = 200_000, value_parser = sample_rows)]
    pub sample: usize,
    /// Seed of the random samples that a fit takes of many rows
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print what was done as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Engine that must be available; the fit itself runs on the CPU
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineArg,
}

/// What runs the codec.
#[derive(clap::Args)]
pub struct EngineArgs {
    /// Engine that runs the codec
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineArg,
    /// GPU that runs the codec: a part of its name, or its number among those that an unknown name lists; several
    /// numbers, with commas between them, share the work
    #[arg(long, value_name = "NAME|N,..")]
    pub gpu: Option<String>,
}

#[derive(clap::Args)]
pub struct EncodeArgs {
    /// Data file to encode, of any size; `-` is the standard input
    pub data: PathBuf,
    #[command(flatten)]
    pub tensor: TensorArgs,
    /// Model that `fit` wrote
    #[arg(long)]
    pub model: PathBuf,
    /// Path of the codes to write (safetensors)
    #[arg(short, long, value_name = "CODES")]
    pub output: PathBuf,
    /// Rows to encode: A..B without row B, A.. or ..B, counted from 0
    #[arg(long, value_name = "A..B")]
    pub rows: Option<RowRange>,
    /// Drop rows with NaN or infinity, or replace them by zeros; they are errors otherwise
    #[arg(long, value_enum, value_name = "HOW")]
    pub skip_invalid: Option<SkipInvalid>,
    /// Refuse rows outside the range of those that the model was fitted on, as `check` counts them; they are
    /// counted otherwise
    #[arg(long)]
    pub strict: bool,
    /// Print what was done as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
}

#[derive(clap::Args)]
pub struct DecodeArgs {
    /// File of codes that `encode` wrote
    pub codes: PathBuf,
    /// Model that made the codes
    #[arg(long)]
    pub model: PathBuf,
    /// Column of codes to decode, where a .parquet file has several
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
    /// Path of the vectors to write: .npy, .safetensors, .fvecs or .fbin; `-` writes .npy to stdout
    #[arg(short, long, value_name = "DATA")]
    pub output: PathBuf,
    /// Rows to decode: A..B without row B, A.. or ..B, counted from 0
    #[arg(long, value_name = "A..B")]
    pub rows: Option<RowRange>,
    /// Type of the values to write
    #[arg(long, value_enum, value_name = "TYPE", default_value_t)]
    pub dtype: ValueType,
    /// Print what was done as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
}

#[derive(clap::Args)]
pub struct ReencodeArgs {
    /// File of codes that `encode` wrote
    pub codes: PathBuf,
    /// Model that made the codes
    #[arg(long, value_name = "OLD")]
    pub from: PathBuf,
    /// Model of the codes to write
    #[arg(long, value_name = "NEW")]
    pub to: PathBuf,
    /// Path of the codes to write (safetensors)
    #[arg(short, long, value_name = "CODES")]
    pub output: PathBuf,
    /// Print what was done as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
}

#[derive(clap::Args)]
pub struct EvalArgs {
    /// Data file to measure; `-` is the standard input
    pub data: PathBuf,
    #[command(flatten)]
    pub tensor: TensorArgs,
    /// Model to measure
    #[arg(long, conflicts_with_all = ["latent", "bytes", "sample", "seed", "keep", "plot"])]
    pub model: Option<PathBuf>,
    /// Print the results as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten, next_help_heading = "Without --model")]
    pub size: SizeArgs,
    /// Largest number of rows to use; they are drawn at random from a larger file
    #[arg(long, value_name = "ROWS", default_value_t = 20_000)]
    pub sample: usize,
    /// Seed of the random draw of the rows, and of the split into fitted and measured rows
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Least recall@10 of the recommended size, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub keep: f64,
    /// Path of an SVG chart to write: relative MSE and recall@10 over bytes per row
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct CheckArgs {
    /// Data file to compare, of any size; `-` is the standard input
    pub data: PathBuf,
    #[command(flatten)]
    pub tensor: TensorArgs,
    /// Model that `fit` wrote
    #[arg(long)]
    pub model: PathBuf,
    /// Largest ratio of the errors that is well; past it, the exit status is 3
    #[arg(long, value_name = "RATIO", value_parser = threshold)]
    pub threshold: Option<f64>,
    /// Drop rows with NaN or infinity, or replace them by zeros; they are errors otherwise
    #[arg(long, value_enum, value_name = "HOW")]
    pub skip_invalid: Option<SkipInvalid>,
    /// Print the figures as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
}

#[derive(clap::Args)]
pub struct SearchArgs {
    /// File of codes that `encode` wrote, or folder of an index
    pub codes: PathBuf,
    /// Model that made the codes
    #[arg(long)]
    pub model: PathBuf,
    /// Column of codes to search, where a .parquet file has several
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
    /// Data file of the queries; `-` is the standard input
    #[arg(long, value_name = "DATA")]
    pub queries: PathBuf,
    #[command(flatten)]
    pub tensor: TensorArgs,
    /// Hits per query
    #[arg(short, value_name = "K", default_value_t = 10, value_parser = hits)]
    pub k: usize,
    /// How queries are compared with rows: inner-product, cosine or l2; that of the index, or cosine, by
    /// default
    #[arg(long, value_parser = metric)]
    pub metric: Option<Metric>,
    /// Share of the hits to find, above 0 and at most 1, in less time: rows of few regions are scored on the CPU
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = recall)]
    pub recall: f32,
    /// Path of the hits to write (.npz)
    #[arg(short, long, value_name = "HITS")]
    pub output: Option<PathBuf>,
    /// Print what was done as one JSON object, with -o; with the hits, without -o
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
}

#[derive(clap::Args)]
pub struct InspectArgs {
    /// Model, file of codes, or data file
    pub file: PathBuf,
    #[command(flatten)]
    pub tensor: TensorArgs,
    /// Print the description as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args)]
pub struct CompletionsArgs {
    /// Shell that completes
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// The choice among several tensors of a file.
#[derive(clap::Args)]
pub struct TensorArgs {
    /// Tensor, array or column to read, where a .safetensors, .npz or .parquet file has several
    #[arg(long, visible_alias = "column", value_name = "NAME")]
    tensor: Option<String>,
}

impl TensorArgs {
    pub fn name(&self) -> Option<&str> {
        self.tensor.as_deref()
    }
}

/// The size of an encoded row.
#[derive(clap::Args)]
pub struct SizeArgs {
    /// 8-bit codes: L latents of one byte each, and a scale of 4 bytes
    #[arg(long, value_name = "L", conflicts_with = "bytes")]
    pub latent: Option<usize>,
    /// Bit codes: N bytes per row, spent on the latents with the most variance
    #[arg(long, value_name = "N")]
    pub bytes: Option<usize>,
    /// How latents are coded as bits, with --bytes
    #[arg(long, value_enum, default_value_t, requires = "bytes")]
    pub coding: CodingArg,
    /// States of the trellis, a power of two up to 4096, with --bytes
    #[arg(long, value_name = "S", default_value_t = Self::STATES, requires = "bytes")]
    pub states: usize,
}
