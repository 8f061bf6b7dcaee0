//! What commands say: notes, JSON objects, numbers, completions and manual pages.

use half::f16;
use serde_json::Value;

use crate::sandbox::*;

fn json(sandbox: &Sandbox, line: &str) -> Value {
    let output = sandbox.output(line);
    let (stdout, stderr) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && stderr.is_empty(), "{line}: {stderr}");
    let text = String::from_utf8(stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_command_reports_as_json() {
    let sandbox = Sandbox::new();
    for (line, expected) in [
        (
            "fit data.npy --latent 4 -o model --json",
            r#"{"output":"model","rows":90,"rows_used":90,"invalid_rows":0,"dim":12,"latent":4,
                "bytes_per_row":8,"ratio":6.0}"#,
        ),
        (
            "encode data.npy --model model -o codes --engine cpu --json",
            r#"{"output":"codes","rows":90,"invalid_rows":0,"dim":12,"bytes_per_row":8,"ratio":6.0}"#,
        ),
        (
            "decode codes --model model -o out.npy --rows 2..7 --engine cpu --json",
            r#"{"output":"out.npy","rows":5,"dim":12,"dtype":"f32"}"#,
        ),
        (
            "inspect data.npy --json",
            r#"{"kind":"data","format":"npy","rows":90,"dim":12,"type":"f32","bytes_per_row":48}"#,
        ),
        (
            "inspect model --json",
            r#"{"kind":"model","dim":12,"latent":4,"activation":"identity","normalized_latent":false,
                "bytes_per_row":8,"compression_ratio":6.0,"biases":"encoder, decoder"}"#,
        ),
        ("inspect codes --json", r#"{"kind":"codes","rows":90,"dim":12,"latent":4}"#),
        (
            "reencode codes --from model --to model -o moved --engine cpu --json",
            r#"{"output":"moved","rows":90,"dim":12,"bytes_per_row_before":8,"bytes_per_row":8}"#,
        ),
    ] {
        let found = json(&sandbox, line);
        let expected: Value = serde_json::from_str(expected).unwrap();
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(found.get(key), Some(value), "{line}: {key} in {found}");
        }
        if !line.starts_with("inspect") {
            assert!(found["seconds"].as_f64().unwrap() > 0.0, "{found}");
        }
        if line.contains("--engine") {
            assert!(found["engine"].as_str().unwrap().starts_with("cpu"), "{found}");
        }
    }
}

#[test]
fn quiet_commands_print_errors_only() {
    let sandbox = Sandbox::with_codes();
    let doubles: Vec<u8> =
        rows(ROWS, DIM).iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
    sandbox.write("f64.npy", npy("<f8", false, &[ROWS, DIM], &doubles));
    for line in [
        "fit f64.npy --latent 2 -o other --quiet",
        "--quiet encode f64.npy --model model -o codes --engine cpu --skip-invalid zero",
        "decode -q codes --model model -o out.npy --engine cpu",
    ] {
        let output = sandbox.output(line);
        assert!(output.status.success() && output.stdout.is_empty(), "{line}");
        assert!(output.stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    sandbox.refuse("--quiet encode no.npy --model model -o out", &["no.npy"]);
    assert!(!sandbox.run("inspect data.npy --quiet").is_empty());
}

/// Ratios compare the codes with the values as the file has them.
#[test]
fn ratios_count_the_bytes_of_the_input() {
    let sandbox = Sandbox::with_model();
    let values = rows(ROWS, DIM);
    let halves: Vec<u8> = values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
    let doubles: Vec<u8> = values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
    sandbox.write("f16.npy", npy("<f2", false, &[ROWS, DIM], &halves));
    sandbox.write("f64.npy", npy("<f8", false, &[ROWS, DIM], &doubles));
    sandbox.write("i8.npy", npy("|i1", false, &[ROWS, DIM], &[7; ROWS * DIM]));
    sandbox.write("data.fvecs", fvecs(&values, DIM));
    sandbox.run("fit data.npy --latent 12 -o wide");
    for (line, words) in [
        ("data.npy --model model", "8 bytes each, 6.0 times smaller than f32;"),
        ("data.fvecs --model model", "8 bytes each, 6.0 times smaller than f32;"),
        ("f64.npy --model model", "8 bytes each, 12.0 times smaller than f64;"),
        ("f16.npy --model model", "8 bytes each, 3.0 times smaller than f16;"),
        ("i8.npy --model model", "8 bytes each, 1.5 times smaller than i8;"),
        ("i8.npy --model wide", "16 bytes each, 1.3 times larger than i8;"),
    ] {
        let output = sandbox.output(&format!("encode {line} -o codes --engine cpu"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(words), "{line}: {stderr}");
        assert!(!stderr.contains(" 0.0") && !stderr.contains("0.0000"), "{stderr}");
    }
    for (data, ratio) in [("data.npy", 6.0), ("f16.npy", 3.0), ("f64.npy", 12.0)] {
        let line = format!("eval {data} --model model --engine cpu --json");
        let report: Value = serde_json::from_str(&sandbox.run(&line)).unwrap();
        assert_eq!(report["compression_ratio"], ratio, "{data}");
    }
    let output = sandbox.output("fit f16.npy --latent 12 -o codes");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("16 bytes per row, 1.5 times smaller than f16"), "{stderr}");
    assert!(stderr.contains(" ms;") || stderr.contains(" s;"), "{stderr}");
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sandbox.run(&format!("completions {shell}"));
        assert!(script.contains("skip-invalid") && script.contains("vecodec"), "{shell}");
    }
    let pages = sandbox.run("man");
    assert_eq!(pages.matches("\n.TH ").count(), 11, "{pages}");
    for command in [
        "fit",
        "encode",
        "decode",
        "reencode",
        "eval",
        "check",
        "search",
        "inspect",
        "completions",
        "man",
    ] {
        assert!(pages.contains(&format!(".TH vecodec-{command} ")), "{command}: {pages}");
    }
}

/// Of more rows than a fit takes, the note says how many were used, and a seed draws others.
#[test]
fn a_fit_says_how_many_rows_it_used() {
    const COPIES: usize = 2300;
    let sandbox = Sandbox::new();
    let mut random = Random::new(3);
    let data = bytes(&random.normals(ROWS * COPIES * 2, 1.0));
    sandbox.write("many.npy", npy("<f4", false, &[ROWS * COPIES, 2], &data));
    let fit = |seed: &str| {
        let line = format!("fit many.npy --bytes 1 --coding scalar --seed {seed} -o model");
        let stderr = String::from_utf8(sandbox.output(&line).stderr).unwrap();
        assert!(stderr.contains("on 200000 of 207000 rows"), "{stderr}");
        sandbox.read("model")
    };
    assert_eq!(fit("1"), fit("1"));
    assert_ne!(fit("1"), fit("2"));
}

/// A sample is all that is read, and errors and notes give the numbers of the file.
#[test]
fn a_fit_reads_a_sample_of_a_file() {
    let sandbox = Sandbox::new();
    let mut values = Random::new(4).normals(1000 * 3, 1.0);
    let fit = |options: &str| sandbox.output(&format!("fit data3.npy --latent 2 -o m {options}"));
    let write = |values: &[f32]| {
        sandbox.write("data3.npy", npy("<f4", false, &[1000, 3], &bytes(values)));
    };
    write(&values);
    let json = |options: &str| -> Value { serde_json::from_slice(&fit(options).stdout).unwrap() };
    let report = json("--sample 100 --json");
    assert_eq!((&report["rows"], &report["rows_used"]), (&1000.into(), &100.into()));
    assert!(fit("--sample 0").status.code() == Some(2));
    let model = |options: &str| {
        assert!(fit(options).status.success(), "{options}");
        sandbox.read("m")
    };
    assert_eq!(model("--sample 100 --seed 5"), model("--sample 100 --seed 5"));
    assert_ne!(model("--sample 100 --seed 5"), model("--sample 100 --seed 6"));
    assert_eq!(model("--sample 1000"), model("--seed 0"));
    // The last 500 rows are invalid, and the error names the first of them that is in the sample.
    values[500 * 3..].fill(f32::NAN);
    write(&values);
    let stderr = String::from_utf8(fit("--sample 100").stderr).unwrap();
    let number = stderr.split("row ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    assert!((500..1000).contains(&number.parse::<usize>().unwrap()), "{stderr}");
    let stderr = String::from_utf8(fit("--sample 100 --skip-invalid drop").stderr).unwrap();
    assert!(stderr.contains(number), "{number}: {stderr}");
}
