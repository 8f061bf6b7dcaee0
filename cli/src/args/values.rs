//! Values of options.

use clap::ValueEnum;
use vecodec::{Metric, Objective, Regions, RowNorm};

/// How latents are coded as bits.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum CodingArg {
    /// Each latent is quantised by itself, which encodes fast
    Scalar,
    /// Trellis-coded quantisation of all latents of a row, with less error at the same bytes on most data
    #[default]
    Trellis,
}

/// Whether norms of rows are stored.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum RowNormArg {
    /// What has less error on rows that are held out
    #[default]
    Auto,
    /// All bytes go to the latents
    Omit,
    /// Four bytes hold the norm
    Store,
}

impl From<RowNormArg> for RowNorm {
    fn from(arg: RowNormArg) -> Self {
        match arg {
            RowNormArg::Auto => Self::Auto,
            RowNormArg::Omit => Self::Omit,
            RowNormArg::Store => Self::Store,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ObjectiveArg {
    /// The least squared error
    Reconstruction,
    /// The neighbours of queries, for at most 3 % more squared error on held-out rows
    #[default]
    Search,
}

impl From<ObjectiveArg> for Objective {
    fn from(arg: ObjectiveArg) -> Self {
        match arg {
            ObjectiveArg::Reconstruction => Self::Reconstruction,
            ObjectiveArg::Search => Self::Search,
        }
    }
}

pub fn recall(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(recall) if recall > 0.0 && recall <= 1.0 => Ok(recall),
        _ => Err("pass a number above 0 and at most 1".to_owned()),
    }
}

pub fn threshold(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if ratio > 0.0 && f64::is_finite(ratio) => Ok(ratio),
        _ => Err("pass a positive number, such as 1.2".to_owned()),
    }
}

pub fn hits(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("pass a number of hits, at least 1".to_owned()),
        Ok(k) => Ok(k),
    }
}

pub fn metric(text: &str) -> Result<Metric, String> {
    text.parse().map_err(|_| "pass inner-product, cosine or l2".to_owned())
}

pub fn sample_rows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("pass a number of rows, at least 1".to_owned()),
        Ok(rows) => Ok(rows),
    }
}

pub fn regions(text: &str) -> Result<Regions, String> {
    match text.parse() {
        _ if text == "auto" => Ok(Regions::Auto),
        Ok(count @ 1..=256) => Ok(Regions::Count(count)),
        _ => Err("pass auto, or a number from 1 to 256".to_owned()),
    }
}

/// The engine that runs the codec.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum EngineArg {
    /// A GPU if there is one, else the CPU
    #[default]
    Auto,
    /// The best GPU adapter, also a software adapter
    Gpu,
    /// All cores of the CPU
    Cpu,
}
