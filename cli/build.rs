//! Tells the tests that need a GPU whether they are wanted, so that they show as ignored and not
//! as passed.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(skip_gpu_tests)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=VECODEC_SKIP_GPU_TESTS");
    if env::var_os("VECODEC_SKIP_GPU_TESTS").is_some() {
        println!("cargo::rustc-cfg=skip_gpu_tests");
    }
}
