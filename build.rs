//! Tells the tests what this machine lacks, so that they show as ignored and not as passed.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(skip_gpu_tests)");
    println!("cargo::rustc-check-cfg=cfg(shared_data)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=VECODEC_SKIP_GPU_TESTS");
    println!("cargo::rerun-if-env-changed=VECODEC_TEST_DATA");

    if env::var_os("VECODEC_SKIP_GPU_TESTS").is_some() {
        println!("cargo::rustc-cfg=skip_gpu_tests");
    }
    let root = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let data = env::var_os("VECODEC_TEST_DATA").unwrap_or_else(|| "../shared/data".into());
    let data = Path::new(&root).join(data);
    println!("cargo::rustc-env=VECODEC_TEST_DATA_DIR={}", data.display());
    // Watched only where it exists: cargo would rebuild everything each time for a missing file.
    let train = data.join("wordnet-minilm-384.train.npy");
    if train.exists() {
        println!("cargo::rustc-cfg=shared_data");
        println!("cargo::rerun-if-changed={}", train.display());
    }
}
