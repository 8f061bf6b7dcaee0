//! Ranges of rows, rows that are skipped, and files without rows.

use vecodec::{Codes, CodesReader};

use crate::sandbox::*;

fn codes(sandbox: &Sandbox, name: &str) -> Codes {
    Codes::load(sandbox.path(name)).unwrap()
}

#[test]
fn a_range_of_rows_is_encoded_and_decoded() {
    let sandbox = Sandbox::with_codes();
    let (values, all) = (rows(ROWS, DIM), codes(&sandbox, "codes"));
    for (text, range) in
        [("0..90", 0..90), ("3..5", 3..5), ("85..", 85..90), ("..7", 0..7), ("89..90", 89..90)]
    {
        // The same rows in files of their own: sums of other batches may be rounded differently.
        let part = bytes(&values[range.start * DIM..range.end * DIM]);
        sandbox.write("part.npy", npy("<f4", false, &[range.len(), DIM], &part));
        sandbox.run("encode part.npy --model model -o expected --engine cpu");
        sandbox.run(&format!("encode data.npy --rows {text} --model model -o part --engine cpu"));
        assert_eq!(sandbox.read("part"), sandbox.read("expected"), "{text}");

        all.slice(range).unwrap().save(sandbox.path("part")).unwrap();
        sandbox.run("decode part --model model -o expected.npy --engine cpu");
        sandbox.run(&format!("decode codes --rows {text} --model model -o part.npy --engine cpu"));
        assert_eq!(sandbox.read("part.npy"), sandbox.read("expected.npy"), "{text}");
    }
    for (text, words) in [
        ("80..91", ["90 rows", "80..91", "within 0..90"]),
        ("91..", ["90 rows", "91..91", "within 0..90"]),
        ("5..3", ["--rows 5..3", "before", "swap"]),
    ] {
        sandbox.refuse(&format!("encode data.npy --rows {text} --model model -o out"), &words);
        sandbox.refuse(&format!("decode codes --rows {text} --model model -o out.npy"), &words);
    }
    for text in ["5", "a..b", "1..=2", ".."] {
        let output = sandbox.output(&format!("encode data.npy --rows {text} --model model -o out"));
        assert_eq!(output.status.code(), Some(if text == ".." { 0 } else { 2 }), "{text}");
    }
}

/// Runs a command, and returns what it notes on stderr.
fn notes(sandbox: &Sandbox, line: &str) -> String {
    let output = sandbox.output(line);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{line}: {stderr}");
    stderr
}

#[test]
fn invalid_rows_are_dropped_or_cleared() {
    let sandbox = Sandbox::with_codes();
    let mut values = rows(ROWS, DIM);
    values[7 * DIM] = f32::NAN;
    values[50 * DIM + 11] = f32::NEG_INFINITY;
    sandbox.write("bad.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&values)));
    sandbox.refuse(
        "encode bad.npy --model model -o out --engine cpu",
        &["bad.npy", "row 7, column 0 is NaN", "--skip-invalid drop"],
    );
    sandbox.refuse("fit bad.npy --latent 2 -o out", &["row 7", "--skip-invalid drop"]);

    let all = codes(&sandbox, "codes");
    let valid: Vec<usize> = (0..ROWS).filter(|row| *row != 7 && *row != 50).collect();
    let line = "encode bad.npy --model model -o part --engine cpu --skip-invalid";
    let stderr = notes(&sandbox, &format!("{line} drop"));
    assert!(stderr.contains("bad.npy: 2 rows with NaN or infinity dropped: 7, 50\n"), "{stderr}");
    assert!(codes(&sandbox, "part") == all.select(&valid).unwrap());
    let stderr = notes(&sandbox, &format!("{line} drop --rows 8..51"));
    assert!(stderr.contains("1 row with NaN or infinity dropped: 50\n"), "{stderr}");
    assert_eq!(codes(&sandbox, "part").row_count(), 42);
    let stderr = notes(&sandbox, &format!("{line} zero"));
    assert!(stderr.contains("2 rows with NaN or infinity replaced by zeros: 7, 50\n"), "{stderr}");
    let cleared = codes(&sandbox, "part");
    assert!(cleared.select(&valid).unwrap() == all.select(&valid).unwrap());
    // The codes of these rows are the codes of zeros.
    sandbox.write("zeros.npy", npy("<f4", false, &[2, DIM], &[0; 2 * DIM * 4]));
    sandbox.run("encode zeros.npy --model model -o zeros --engine cpu");
    assert!(cleared.select(&[7, 50]).unwrap() == codes(&sandbox, "zeros"));

    let remaining: Vec<f32> =
        valid.iter().flat_map(|row| &values[row * DIM..(row + 1) * DIM]).copied().collect();
    sandbox.write("valid.npy", npy("<f4", false, &[ROWS - 2, DIM], &bytes(&remaining)));
    sandbox.run("fit valid.npy --latent 2 -o expected");
    sandbox.run("fit bad.npy --latent 2 -o other --skip-invalid drop");
    assert_eq!(sandbox.read("other"), sandbox.read("expected"));

    // Of many rows, ten are named.
    values[..20 * DIM].fill(f32::INFINITY);
    sandbox.write("bad.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&values)));
    let stderr = notes(&sandbox, &format!("{line} drop"));
    assert!(
        stderr.contains(
            "21 rows with NaN or infinity dropped: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 11 more\n"
        ),
        "{stderr}"
    );
    // All rows are dropped.
    sandbox.run(&format!("{line} drop --rows 2..9"));
    assert_eq!(CodesReader::open(sandbox.path("part")).unwrap().row_count(), 0);
    values.fill(f32::NAN);
    sandbox.write("bad.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&values)));
    let output = sandbox.output("fit bad.npy --latent 2 -o out --skip-invalid drop");
    assert_eq!(output.status.code(), Some(2));
    assert!(!sandbox.names().contains(&"out".to_owned()));
}

#[test]
fn no_rows_give_no_rows() {
    let sandbox = Sandbox::with_model();
    sandbox.run("fit data.npy --bytes 3 -o bits");
    sandbox.write("none.npy", npy("<f4", false, &[0, DIM], &[]));
    sandbox.write("none.fbin", [[0; 4], (DIM as u32).to_le_bytes()].concat());
    let none = safetensors(&format!(r#"{{"x":{}}}"#, tensor("F16", &[0, DIM], 0, 0)), &[]);
    sandbox.write("none.safetensors", none);
    for model in ["model", "bits"] {
        for name in ["none.npy", "none.fbin", "none.safetensors", "data.npy --rows 4..4"] {
            sandbox.run(&format!("encode {name} --model {model} -o codes --engine cpu"));
            assert_eq!(CodesReader::open(sandbox.path("codes")).unwrap().row_count(), 0);
            assert!(sandbox.run("inspect codes").contains("rows               0"));
            for output in ["out.npy", "out.safetensors", "out.fbin"] {
                sandbox.run(&format!("decode codes --model {model} -o {output} --engine cpu"));
                sandbox.run(&format!("encode {output} --model {model} -o again --engine cpu"));
                assert_eq!(sandbox.read("again"), sandbox.read("codes"), "{output}");
            }
            sandbox.run(&format!("decode codes --model {model} -o out.fvecs --engine cpu"));
            assert!(sandbox.read("out.fvecs").is_empty());
        }
    }
    sandbox.refuse("fit none.npy --latent 2 -o other", &["none.npy", "0 rows", "at least one"]);
    for line in ["eval none.npy --model model", "eval none.npy"] {
        sandbox.refuse(line, &["none.npy", "0 rows", "at least one"]);
    }
    let words = ["out.fvecs", "empty", "at least one row"];
    sandbox.refuse("encode out.fvecs --model model -o other", &words);
}

/// Codes keep their ids when they move to another model. A model that did not make them is refused.
#[test]
fn reencode_keeps_rows_and_ids() {
    let sandbox = Sandbox::with_model();
    let model = vecodec::Model::load(sandbox.path("model")).unwrap();
    let codec = vecodec::Codec::new(model.clone()).unwrap();
    let batch = codec.encode_flat(&vec![0.5f32; 3 * model.config().dim]).unwrap();
    let mut writer = vecodec::CodesWriter::create(sandbox.path("codes"), &model).unwrap();
    writer.append_with_ids(&batch, &[7, u64::MAX, 0]).unwrap();
    writer.finish().unwrap();
    sandbox.run("fit data.npy --latent 3 -o new");
    sandbox.run("reencode codes --from model --to new -o moved --engine cpu");
    let mut reader = CodesReader::open(sandbox.path("moved")).unwrap();
    assert_eq!(reader.config().latent_dim, 3);
    assert_eq!(reader.read_with_ids(0..3).unwrap().1, [7, u64::MAX, 0]);
    sandbox.refuse("reencode codes --from new --to model -o x", &["codes", "pass the model"]);
    sandbox.refuse("reencode codes --from model --to none -o x", &["none", "no such file"]);
    sandbox.refuse("reencode codes --from model --to new -o codes", &["both input and output"]);
}
