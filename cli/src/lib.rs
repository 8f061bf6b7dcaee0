//! The command-line program: fits models, encodes and decodes files of embeddings, and measures
//! what is lost.
//!
//! ```text
//! vecodec eval data.npy --plot sizes.svg
//! vecodec fit train.npy --bytes 64 -o model.safetensors
//! vecodec encode data.npy --model model.safetensors -o codes.safetensors
//! vecodec decode codes.safetensors --model model.safetensors -o back.npy
//! vecodec eval data.npy --model model.safetensors --json
//! vecodec inspect codes.safetensors
//! zcat data.npy.gz | vecodec encode - --model model.safetensors -o codes.safetensors
//! ```

mod args;
#[doc(hidden)]
pub mod data;
mod decode;
mod encode;
mod engine;
mod error;
mod eval;
mod fit;
mod inspect;
mod newfile;
mod numbers;
mod output;
mod pages;
mod progress;
mod regular;
mod rows;
mod size;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use error::CliError;

/// The exit status of everything that goes wrong; clap uses the same for a wrong command line.
const FAILURE: u8 = 2;

/// Runs the command line of this process. An error is printed to stderr.
pub fn main() -> ExitCode {
    let args = Args::parse();
    output::set_quiet(args.quiet);
    let result = match &args.command {
        Command::Fit(args) => fit::run(args),
        Command::Encode(args) => encode::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Completions(args) => pages::completions(args),
        Command::Man => pages::man(),
    };
    match result {
        Ok(()) | Err(CliError::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(FAILURE)
        }
    }
}
