//! The option `--engine` of examples.

use vecodec::{Engine, Gpu};

/// The engine of a name.
pub fn engine(name: &str) -> Result<Engine, Box<dyn std::error::Error>> {
    match name {
        "auto" => Ok(Engine::Auto),
        "cpu" => Ok(Engine::Cpu),
        "gpu" => Ok(Engine::Gpu(Gpu::new()?)),
        other => match other.strip_prefix("gpu:") {
            Some(gpus) => Ok(Engine::find(gpus)?),
            None => Err(format!("--engine is {other:?}: pass auto, cpu, gpu or gpu:0,1").into()),
        },
    }
}
