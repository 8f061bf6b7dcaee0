//! The command-line program: fits models, encodes and decodes files of embeddings, and measures
//! what is lost.
//!
//! ```text
//! vecodec eval data.npy --plot sizes.svg
//! vecodec fit train.npy --bytes 64 -o model.safetensors
//! vecodec encode data.npy --model model.safetensors -o codes.safetensors
//! vecodec decode codes.safetensors --model model.safetensors -o back.npy
//! vecodec eval data.npy --model model.safetensors --json
//! vecodec check new.npy --model model.safetensors --threshold 1.2
//! vecodec search codes.safetensors --model model.safetensors --queries queries.npy -k 10
//! vecodec inspect codes.safetensors
//! zcat data.npy.gz | vecodec encode - --model model.safetensors -o codes.safetensors
//! ```

mod args;
mod chatter;
mod check;
mod decode;
mod encode;
mod engine;
mod error;
mod eval;
mod fit;
mod input;
mod inspect;
mod numbers;
mod output;
mod pages;
#[cfg(feature = "parquet")]
mod parquet;
mod process;
mod progress;
mod reencode;
mod regular;
mod rows;
mod search;
mod size;
mod source;
mod writer;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

/// Runs the command line of this process. An error is printed to stderr.
pub fn main() -> ExitCode {
    process::run(|| {
        let args = Args::parse();
        output::set_quiet(args.quiet);
        match &args.command {
            Command::Fit(args) => fit::run(args),
            Command::Encode(args) => encode::run(args),
            Command::Decode(args) => decode::run(args),
            Command::Reencode(args) => reencode::run(args),
            Command::Eval(args) => eval::run(args),
            Command::Check(args) => check::run(args),
            Command::Search(args) => search::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Completions(args) => pages::completions(args),
            Command::Man => pages::man(),
        }
    })
}
