//! Opens the engine and the model of a subcommand.

use std::path::Path;

use vecodec::data::DataReader;
use vecodec::{Codec, CodecOptions, Engine, Gpu, Model};

use crate::args::{EngineArg, EngineArgs};
use crate::chatter::silenced;
use crate::error::{CliError, Result};

impl EngineArg {
    pub fn engine(self) -> Result<Engine> {
        match self {
            Self::Auto => Ok(Engine::Auto),
            Self::Cpu => Ok(Engine::Cpu),
            Self::Gpu => Ok(Engine::Gpu(silenced(Gpu::new)?)),
        }
    }
}

impl EngineArgs {
    pub fn engine(&self) -> Result<Engine> {
        match (&self.gpu, self.engine) {
            (None, engine) => engine.engine(),
            (Some(_), EngineArg::Cpu) => {
                let detail = "--gpu has no use with --engine cpu: leave out one of them";
                Err(CliError::Other(detail.to_owned()))
            }
            (Some(wanted), _) => Ok(silenced(|| Engine::find(wanted))?),
        }
    }
}

/// Makes a codec of a model on an engine.
pub fn codec(model: Model, engine: Engine) -> Result<Codec> {
    let loads_driver = !matches!(engine, Engine::Cpu);
    let open = || Codec::with_options(model, CodecOptions::default().with_engine(engine));
    Ok(if loads_driver { silenced(open)? } else { open()? })
}

/// Loads a model.
pub fn model(path: &Path) -> Result<Model> {
    let remedy = "pass a model that `vecodec fit` wrote";
    Model::load(path).map_err(|e| CliError::in_file(path, e, remedy))
}

/// Loads a model and checks that it takes rows like those of the data.
pub fn model_for(path: &Path, data: &DataReader) -> Result<Model> {
    let model = model(path)?;
    check_rows(&model, path, data)?;
    Ok(model)
}

/// Fails unless a model takes rows like those of the data. `path` is the model's.
pub fn check_rows(model: &Model, path: &Path, data: &DataReader) -> Result<()> {
    let (expected, found) = (model.config().dim, data.dim());
    if expected == found {
        return Ok(());
    }
    let detail = format!(
        "its rows have {found} values, and model {} takes {expected}: \
         pass the model fitted to such rows",
        path.display()
    );
    Err(CliError::file(data.path(), detail))
}
