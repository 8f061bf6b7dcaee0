//! `check`, clipped rows, and fits that start from an old model.

use serde_json::Value;

use crate::sandbox::*;

/// The same rows five times as long: someone forgot to normalise them.
fn with_long_rows() -> Sandbox {
    let sandbox = Sandbox::with_model();
    let mut values = rows(ROWS, DIM);
    values[40 * DIM..].iter_mut().for_each(|v| *v *= 50.0);
    sandbox.write("long.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&values)));
    sandbox
}

#[test]
fn a_check_compares_rows_with_those_of_the_fit() {
    let sandbox = with_long_rows();
    let text = sandbox.run("check data.npy --model model --engine cpu");
    assert!(text.contains("ratio") && text.contains("clipped rows"), "{text}");
    let json = |line: &str| serde_json::from_str::<Value>(&sandbox.run(line)).unwrap();
    let same = json("check data.npy --model model --engine cpu --json --threshold 1.5");
    assert_eq!((&same["rows"], &same["fitted_rows"]), (&ROWS.into(), &ROWS.into()));
    assert_eq!((&same["clipped_rows"], &same["first_clipped_row"]), (&0.into(), &Value::Null));
    let long = json("check long.npy --model model --engine cpu --json");
    assert_eq!((&long["clipped_rows"], &long["first_clipped_row"]), (&50.into(), &40.into()));
    // `inspect` shows what the check compares with.
    let inspected = json("inspect model --json");
    assert_eq!(inspected["relative_mse_of_the_fit"], same["fitted_relative_mse"]);
}

#[test]
fn a_check_past_its_threshold_ends_with_status_3() {
    let sandbox = Sandbox::with_model();
    let noise = Random::new(5).normals(ROWS * DIM, 1.0);
    sandbox.write("noise.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&noise)));
    let output = sandbox.output("check noise.npy --model model --engine cpu --threshold 1.5");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("ratio"), "{stdout}");
    assert!(stderr.starts_with("error: noise.npy: the error is "), "{stderr}");
    assert!(stderr.contains("--threshold is 1.5") && stderr.lines().count() == 1, "{stderr}");
    for threshold in ["0", "-1", "NaN", "inf", "x"] {
        let line = format!("check noise.npy --model model --threshold={threshold}");
        assert_eq!(sandbox.output(&line).status.code(), Some(2), "{threshold}");
    }
    sandbox.refuse("check wrong.npy --model model", &["wrong.npy", "no such file"]);
}

#[test]
fn encode_counts_clipped_rows_or_refuses_them() {
    let sandbox = with_long_rows();
    let output = sandbox.output("encode long.npy --model model -o codes --engine cpu");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    for word in ["long.npy: warning: 50 of 90 rows", "row 40"] {
        assert!(stderr.contains(word), "{word} is not in {stderr}");
    }
    let json = sandbox.run("encode data.npy --model model -o codes --engine cpu --json --strict");
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["clipped_rows"], 0);
    sandbox.refuse(
        "encode long.npy --model model -o strict --engine cpu --strict",
        &["long.npy", "row 40", "--strict"],
    );
    assert!(!sandbox.names().contains(&"strict".to_owned()));
}

#[test]
fn a_fit_starts_from_an_old_model() {
    let sandbox = Sandbox::new();
    sandbox.run("fit data.npy --bytes 6 --regions 2 -o old");
    sandbox.run("fit data.npy --bytes 6 --warm-start old -o new");
    let json = sandbox.run("inspect new --json");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["regions"], 2);
    sandbox.refuse("fit data.npy --bytes 7 --warm-start old -o new", &["6 bytes per row", "7"]);
    sandbox.refuse("fit data.npy --bytes 6 --warm-start old -o old", &["old", "overwritten"]);
    sandbox.refuse("fit data.npy --bytes 6 --warm-start none -o new", &["none", "no such file"]);
}
