//! Sets flags for what the tests find missing, so that they show as ignored and not as passed:
//! `skip_gpu_tests` if `VECODEC_SKIP_GPU_TESTS` is set, and `skip_numpy_tests` if `python3` has no NumPy.

use std::env;
use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(skip_gpu_tests, skip_numpy_tests)");
    println!("cargo::rerun-if-env-changed=VECODEC_SKIP_GPU_TESTS");
    if env::var_os("VECODEC_SKIP_GPU_TESTS").is_some() {
        println!("cargo::rustc-cfg=skip_gpu_tests");
    }
    println!("cargo::rerun-if-env-changed=PATH");
    let mut python = Command::new("python3");
    python.args(["-c", "import numpy"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !python.status().is_ok_and(|status| status.success()) {
        println!("cargo::rustc-cfg=skip_numpy_tests");
    }
}
