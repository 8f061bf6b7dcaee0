//! The option `--engine` of examples.

use vecodec::{Engine, Gpu};

/// The engine of a name.
pub fn engine(name: &str) -> Result<Engine, Box<dyn std::error::Error>> {
    match name {
        "auto" => Ok(Engine::Auto),
        "cpu" => Ok(Engine::Cpu),
        "gpu" => Ok(Engine::Gpu(Gpu::new()?)),
        other => Err(format!("--engine is {other:?}: pass auto, gpu or cpu").into()),
    }
}
