//! `eval --model`: the report on one model.

use std::process::Output;

use serde_json::Value;

use crate::sandbox::*;

#[test]
fn eval_measures_a_model() {
    let sandbox = Sandbox::with_model();
    let text = sandbox.run("eval data.npy --model model --json --engine cpu");
    assert_eq!(text.lines().count(), 1, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name}: {text}"));
    for (name, expected) in [
        ("rows", ROWS as f64),
        ("dim", DIM as f64),
        ("latent", LATENT as f64),
        ("bytes_per_row", 8.0),
        ("compression_ratio", 6.0),
    ] {
        assert_eq!(number(name), expected, "{name}");
    }
    assert!((0.0..0.01).contains(&number("relative_mse")), "{text}");
    assert!(number("mse") > 0.0 && number("mse") < number("relative_mse"), "{text}");
    assert!(number("max_error") > number("mse").sqrt(), "{text}");
    assert!((0.99..=1.0).contains(&number("mean_cosine")), "{text}");
    assert!((number("snr_db") + 10.0 * number("relative_mse").log10()).abs() < 1e-9, "{text}");
    assert!(number("encode_rows_per_s") > 0.0 && number("decode_rows_per_s") > 0.0);
    assert!(report["engine"].as_str().unwrap().starts_with("cpu"), "{text}");
    assert_eq!(report.as_object().unwrap().len(), 13, "{text}");
    // The report for people has the figures of the JSON object.
    let table = sandbox.run("eval data.npy --model model --engine cpu");
    assert!(table.contains("mean cosine") && table.contains("cpu"), "{table}");
}

#[test]
fn infinite_figures_are_null() {
    let sandbox = Sandbox::new();
    sandbox.write("zeros.npy", npy("<f4", false, &[6, 2], &[0; 48]));
    sandbox.run("fit zeros.npy --latent 1 -o zeros");
    let text = sandbox.run("eval zeros.npy --model zeros --json --engine cpu");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["mse"], &report["snr_db"]), (&Value::from(0.0), &Value::Null), "{text}");
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn the_gpu_is_used() {
    let sandbox = Sandbox::with_model();
    let text = sandbox.run("eval data.npy --model model --json --engine gpu");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(!report["engine"].as_str().unwrap().starts_with("cpu"), "{report}");
    assert!(report["relative_mse"].as_f64().unwrap() < 0.01, "{report}");
}

#[test]
fn a_missing_gpu_is_named_with_the_remedy() {
    let sandbox = Sandbox::with_model();
    let mut command = sandbox.command("eval data.npy --model model --engine gpu");
    let Output { status, stderr, .. } =
        command.env("WGPU_ADAPTER_NAME", "no such adapter").output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("error: no GPU") && stderr.contains("--engine cpu"), "{stderr}");
}
