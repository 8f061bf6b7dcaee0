//! The engines under test, and macros that run a check on each engine.

use std::sync::LazyLock;

use vecodec::{Codec, CodecOptions, Engine, Gpu, Model, Precision, Tiling};

/// One device for all tests of the process, also on a software adapter.
static GPU: LazyLock<Gpu> = LazyLock::new(|| {
    Gpu::new().expect("where there is no adapter, set VECODEC_SKIP_GPU_TESTS=1 to skip these tests")
});

fn options(engine: Engine) -> CodecOptions {
    CodecOptions::default().with_engine(engine)
}

pub fn cpu() -> CodecOptions {
    options(Engine::Cpu)
}

/// The GPU engine with the kernels that suit the adapter.
pub fn gpu() -> CodecOptions {
    options(Engine::Gpu(GPU.clone()))
}

pub fn gpu_registers() -> CodecOptions {
    gpu().with_tiling(Tiling::RegisterBlocked)
}

pub fn gpu_tiled() -> CodecOptions {
    gpu().with_tiling(Tiling::Tiled)
}

/// The GPU engine with `Precision::F16`, on cooperative matrices where the adapter has them.
pub fn gpu_f16() -> CodecOptions {
    gpu().with_precision(Precision::F16)
}

pub fn gpu_f16_registers() -> CodecOptions {
    gpu_registers().with_precision(Precision::F16)
}

pub fn gpu_f16_tiled() -> CodecOptions {
    gpu_tiled().with_precision(Precision::F16)
}

pub fn codec(engine: &CodecOptions, model: &Model) -> Codec {
    Codec::with_options(model.clone(), engine.clone()).unwrap()
}

/// Makes a test of each check, a `fn(&CodecOptions)`, on each engine.
macro_rules! engine_suite {
    ($($check:ident),+ $(,)?) => {
        $crate::engines::suite!(cpu [cfg(all())] $($check)+);
        $crate::engines::gpu_suite!(gpu: $($check),+);
    };
}

/// Makes a test of each check on the CPU engine and with each tiling of the GPU's kernels, also a
/// tiling that does not suit the adapter.
macro_rules! kernel_suite {
    ($($check:ident),+ $(,)?) => {
        $crate::engines::suite!(cpu [cfg(all())] $($check)+);
        $crate::engines::gpu_suite!(gpu_registers: $($check),+);
        $crate::engines::gpu_suite!(gpu_tiled: $($check),+);
    };
}

/// Makes a test of each check on one GPU engine.
macro_rules! gpu_suite {
    ($engine:ident: $($check:ident),+ $(,)?) => {
        $crate::engines::suite!($engine [
            cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")
        ] $($check)+);
    };
}

macro_rules! suite {
    ($engine:ident $attribute:tt $($check:ident)+) => {
        mod $engine {
            $(#[test]
            #$attribute
            fn $check() {
                super::$check(&$crate::engines::$engine());
            })+
        }
    };
}

pub(crate) use {engine_suite, gpu_suite, kernel_suite, suite};
