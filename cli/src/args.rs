//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use vecodec::{Coding, ModelConfig};

/// Compresses embedding vectors with a learned linear codec.
///
/// Data files are .npy (float32 or float16), .fvecs, or .safetensors with a two-dimensional
/// tensor.
#[derive(Parser)]
#[command(name = "vecodec", version)]
pub struct Args {
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
    /// Measure error, compression and speed
    Eval(EvalArgs),
    /// Say what a model, a file of codes or a data file holds
    Inspect(InspectArgs),
}

#[derive(clap::Args)]
#[command(group(ArgGroup::new("budget").required(true).args(["latent", "bytes"])))]
pub struct FitArgs {
    /// Data file of the vectors to fit to; it is held in memory
    pub train: PathBuf,
    #[command(flatten)]
    pub size: SizeArgs,
    /// Put a ReLU behind the encoder
    #[arg(long)]
    pub relu: bool,
    /// Normalise the latents
    #[arg(long)]
    pub normalize: bool,
    /// Where the model goes (safetensors)
    #[arg(short, long, value_name = "MODEL")]
    pub output: PathBuf,
    /// As for the other commands; whichever it is, a fit itself computes on the CPU
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineArg,
}

#[derive(clap::Args)]
pub struct EncodeArgs {
    /// Data file to encode, of any size
    pub data: PathBuf,
    /// Model, as `fit` wrote it
    #[arg(long)]
    pub model: PathBuf,
    /// Where the codes go (safetensors)
    #[arg(short, long, value_name = "CODES")]
    pub output: PathBuf,
    /// What computes
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineArg,
}

#[derive(clap::Args)]
pub struct DecodeArgs {
    /// File of codes, as `encode` wrote it
    pub codes: PathBuf,
    /// Model that made the codes
    #[arg(long)]
    pub model: PathBuf,
    /// Where the vectors go: .npy or .safetensors
    #[arg(short, long, value_name = "DATA")]
    pub output: PathBuf,
    /// What computes
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineArg,
}

#[derive(clap::Args)]
pub struct EvalArgs {
    /// Data file to measure on; without a model, its first half is fitted to
    pub data: PathBuf,
    /// Model to measure
    #[arg(long, conflicts_with_all = ["latent", "bytes"])]
    pub model: Option<PathBuf>,
    /// What is fitted where there is no model; by default 64 latents, for short vectors half
    /// their length
    #[command(flatten)]
    pub size: SizeArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// What computes
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineArg,
}

#[derive(clap::Args)]
pub struct InspectArgs {
    /// Model, file of codes, or data file
    pub file: PathBuf,
}

/// What a vector is to shrink to.
#[derive(clap::Args)]
pub struct SizeArgs {
    /// Latent values of a byte each, beside a scale of 4 bytes
    #[arg(long, value_name = "L", conflicts_with = "bytes")]
    pub latent: Option<usize>,
    /// Bytes a vector, spent where the data has variance
    #[arg(long, value_name = "N")]
    pub bytes: Option<usize>,
    /// How bits are made of latents, with --bytes
    #[arg(long, value_enum, default_value_t, requires = "bytes")]
    pub coding: CodingArg,
    /// States of the trellis, a power of two up to 4096, with --bytes
    #[arg(long, value_name = "S", default_value_t = 256, requires = "bytes")]
    pub states: usize,
}

impl SizeArgs {
    /// The model to fit to vectors of `dim` values; `latent` stands in for what is not given.
    pub fn config(&self, dim: usize, latent: usize) -> ModelConfig {
        let config = ModelConfig::new(dim, self.latent.unwrap_or(latent));
        match self.bytes {
            None => config,
            Some(bytes) => config.with_bytes(bytes).with_coding(match self.coding {
                CodingArg::Scalar => Coding::Scalar,
                CodingArg::Trellis => Coding::Trellis { states: self.states },
            }),
        }
    }
}

/// How bits are made of latents.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum CodingArg {
    /// Each latent by itself: fast
    Scalar,
    /// A path through all of them: less error from the same bytes
    #[default]
    Trellis,
}

/// What computes.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum EngineArg {
    /// A GPU where there is one, else the CPU
    #[default]
    Auto,
    /// The best GPU adapter, a software one too
    Gpu,
    /// All cores of the CPU
    Cpu,
}
