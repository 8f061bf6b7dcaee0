//! The engines under test, and the macros that run a check on each of them.

use std::sync::LazyLock;

use vecodec::{Codec, CodecOptions, Engine, Gpu, Model, Precision, Tiling};

/// One adapter for the whole process, a software one too; codecs are made by each test.
static GPU: LazyLock<Gpu> = LazyLock::new(|| {
    Gpu::new().expect("where there is no adapter, set VECODEC_SKIP_GPU_TESTS=1 to skip these tests")
});

fn options(engine: Engine) -> CodecOptions {
    CodecOptions::default().with_engine(engine)
}

pub fn cpu() -> CodecOptions {
    options(Engine::Cpu)
}

/// With the kernels that suit the adapter.
pub fn gpu() -> CodecOptions {
    options(Engine::Gpu(GPU.clone()))
}

pub fn gpu_registers() -> CodecOptions {
    gpu().with_tiling(Tiling::RegisterBlocked)
}

pub fn gpu_tiled() -> CodecOptions {
    gpu().with_tiling(Tiling::Tiled)
}

/// With `Precision::F16`: on cooperative matrices where the adapter has them.
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

/// Makes a test of every check, a `fn(&CodecOptions)`, on each engine.
macro_rules! engine_suite {
    ($($check:ident),+ $(,)?) => {
        $crate::engines::suite!(cpu [cfg(all())] $($check)+);
        $crate::engines::gpu_suite!(gpu: $($check),+);
    };
}

/// The same with each tiling of the GPU's kernels, also the one that the adapter would not be given.
macro_rules! kernel_suite {
    ($($check:ident),+ $(,)?) => {
        $crate::engines::suite!(cpu [cfg(all())] $($check)+);
        $crate::engines::gpu_suite!(gpu_registers: $($check),+);
        $crate::engines::gpu_suite!(gpu_tiled: $($check),+);
    };
}

/// On one kind of GPU alone.
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
