//! Sets `skip_gpu_tests` if `VECODEC_SKIP_GPU_TESTS` is set, so that tests of the GPU engine show as
//! ignored and not as passed.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(skip_gpu_tests)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=VECODEC_SKIP_GPU_TESTS");
    if env::var_os("VECODEC_SKIP_GPU_TESTS").is_some() {
        println!("cargo::rustc-cfg=skip_gpu_tests");
    }
}
