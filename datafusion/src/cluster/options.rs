//! What the programs take beside Ballista's options.

use std::path::Path;

use clap::{Args, ValueEnum};
use datafusion::common::Result;
use vecodec::{Engine, Gpu};

use crate::error::external;
use crate::models::Models;

/// The models and the engine of a process.
#[derive(Debug, Args)]
pub struct ModelOptions {
    /// A model to load at the start: a file, a folder of .safetensors files, or a URL (s3://, https://, http://, file://).
    /// Its name is that of its file without the ending. Models that queries name by a location are read when they are
    /// first needed
    #[arg(long = "models", value_name = "LOCATION")]
    locations: Vec<String>,

    /// What runs the models
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,

    /// The GPU that runs the models: a part of its name, or its number among those that an unknown name lists; several
    /// numbers, with commas between them, share the work
    #[arg(long, value_name = "NAME|N,..", conflicts_with = "engine")]
    gpu: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum EngineName {
    /// A GPU if there is one, else the CPU
    #[default]
    Auto,
    /// The best GPU adapter, also a software adapter
    Gpu,
    /// All cores of the CPU
    Cpu,
}

impl ModelOptions {
    /// Loads the models.
    ///
    /// # Errors
    /// There is no such GPU, a location cannot be read, a file is no model, or the engine cannot run one.
    pub fn load(&self) -> Result<Models> {
        let models = Models::new(self.engine()?);
        for location in &self.locations {
            let path = Path::new(location);
            if path.is_dir() {
                models.register_folder(path)?;
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            models.register_file(&name, location)?;
        }
        Ok(models)
    }

    fn engine(&self) -> Result<Engine> {
        let engine = match (&self.gpu, self.engine) {
            (Some(wanted), _) => Engine::find(wanted),
            (None, EngineName::Gpu) => Gpu::new().map(Engine::Gpu),
            (None, EngineName::Auto) => Ok(Engine::Auto),
            (None, EngineName::Cpu) => Ok(Engine::Cpu),
        };
        engine.map_err(external)
    }
}
