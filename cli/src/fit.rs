//! `vecodec fit` fits a model to training vectors.

use std::time::Instant;

use vecodec::{Model, ModelConfig};

use crate::args::{EngineArg, FitArgs};
use crate::data::DataReader;
use crate::error::{CliError, Result};
use crate::output;
use crate::progress::Progress;
use crate::size::Size;

pub fn run(args: &FitArgs) -> Result<()> {
    output::check(&args.output, &[&args.train])?;
    output::check_name(&args.output, "models")?;
    let mut data = DataReader::open_noted(&args.train, args.tensor.name())?;
    data.expect_rows()?;
    if let EngineArg::Gpu = args.engine {
        // Fails now rather than in the first command that uses the model.
        args.engine.engine()?;
    }
    let Some(size) = args.size.size() else {
        return Err(CliError::Other("no size is given: pass --bytes or --latent".to_owned()));
    };
    let size = match size {
        Size::Int8 { latent, .. } => {
            Size::Int8 { latent, relu: args.relu, normalize: args.normalize }
        }
        bits => bits,
    };

    let start = Instant::now();
    let rows = data.row_count();
    let values = data.read_all()?;
    let spinner = Progress::spinner("fitting");
    let model = fit_values(&values, size.config(data.dim()))
        .map_err(|e| CliError::in_rows(data.path(), |row| row, e))?;
    drop(spinner);
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

/// Fits a model to rows in memory.
pub fn fit_values(values: &[f32], config: ModelConfig) -> vecodec::Result<Model> {
    Model::fit(values, config)
}
