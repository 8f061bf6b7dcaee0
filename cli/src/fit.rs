//! `vecodec fit`: training vectors to a model.

use std::time::Instant;

use vecodec::{Activation, Model, ModelConfig};

use crate::args::{EngineArg, FitArgs};
use crate::data::DataReader;
use crate::error::{CliError, Result};
use crate::output;
use crate::progress::Progress;

pub fn run(args: &FitArgs) -> Result<()> {
    output::check(&args.output, &[&args.train])?;
    output::check_name(&args.output, "models")?;
    let mut data = DataReader::open(&args.train)?;
    if let EngineArg::Gpu = args.engine {
        // Told now, and not by the first command that would use it.
        args.engine.engine()?;
    }
    let activation = if args.relu { Activation::Relu } else { Activation::Identity };
    let config = args
        .size
        .config(data.dim(), 1)
        .with_activation(activation)
        .with_normalized_latent(args.normalize);

    let start = Instant::now();
    let rows = data.row_count();
    let model = fit(&mut data, rows, config)?;
    model.save(&args.output)?;
    let config = model.config();
    output::note(&format!(
        "{}: fitted {} values to {} latents on {} rows in {:.1} s; {} bytes per row, {:.1} times \
         smaller",
        args.output.display(),
        config.dim,
        config.latent_dim,
        rows,
        start.elapsed().as_secs_f64(),
        config.code_size(),
        config.compression_ratio(),
    ));
    Ok(())
}

/// Fits a model to the first rows of a file.
pub fn fit(data: &mut DataReader, rows: usize, config: ModelConfig) -> Result<Model> {
    let values = data.read_first(rows)?;
    let _spinner = Progress::spinner("fitting");
    Model::fit(&values, config).map_err(|e| CliError::in_rows(data.path(), 0, e))
}
