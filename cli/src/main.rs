//! The program `vecodec`. The library target has everything, so that other crates can reach the
//! readers of data files.

use std::process::ExitCode;

fn main() -> ExitCode {
    vecodec_cli::main()
}
