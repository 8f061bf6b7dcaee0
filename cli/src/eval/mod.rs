//! `vecodec eval` measures the error and the rates of a model, or compares sizes on a data file.

mod plot;
mod recall;
mod report;
mod split;
mod table;
mod text;

use std::time::{Duration, Instant};

use crate::args::EvalArgs;
use crate::error::Result;

pub fn run(args: &EvalArgs) -> Result<()> {
    match &args.model {
        Some(model) => report::run(args, model),
        None => table::run(args),
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
