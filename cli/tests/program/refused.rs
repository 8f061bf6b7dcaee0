//! Errors of the program: it prints one line, exits with status 2, and writes nothing.

use std::fs;

use crate::sandbox::*;

#[test]
fn damaged_data_files_are_refused() {
    let sandbox = Sandbox::with_codes();
    let values = rows(ROWS, DIM);
    let data = bytes(&values);
    let rows_of = |rows: usize| &data[..rows * DIM * 4];
    let mut nan = values.clone();
    nan[70 * DIM + 5] = f32::NAN;
    let ragged =
        [fvecs(&values[..24], 12), fvecs(&values[..4], 4), fvecs(&values[..7], 7)].concat();
    let two = format!(
        r#"{{"a":{0},"b":{1}}}"#,
        tensor("F32", &[1, 2], 0, 8),
        tensor("F32", &[1, 2], 8, 16)
    );
    let one = |text: String| format!(r#"{{"vectors":{text}}}"#);
    let files: [(&str, Vec<u8>, &[&str]); 28] = [
        ("cut.npy", npy("<f4", false, &[ROWS, DIM], rows_of(89)), &["4448", "4400", "cut off"]),
        ("long.npy", npy("<f4", false, &[89, DIM], rows_of(90)), &["4400", "4448", "appended"]),
        ("header.npy", npy("<f4", false, &[ROWS, DIM], &[])[..60].to_vec(), &["header", "save"]),
        ("empty.npy", Vec::new(), &["numpy.save"]),
        ("text.npy", b"1.0, 2.0\n".to_vec(), &["numpy.save"]),
        ("int.npy", npy("<i4", false, &[ROWS, DIM], rows_of(90)), &["<i4", "astype"]),
        ("long.double.npy", npy("<f16", false, &[1, DIM], rows_of(4)), &["<f16", "astype"]),
        ("fortran.npy", npy("<f4", true, &[ROWS, DIM], rows_of(90)), &["Fortran", "ascontiguous"]),
        ("flat.npy", npy("<f4", false, &[ROWS * DIM], rows_of(90)), &["[1080]", "reshape"]),
        ("thin.npy", npy("<f4", false, &[9, 0], &[]), &["9 rows of 0", "at least one"]),
        ("huge.npy", npy("<f4", false, &[1 << 62, 12], &[]), &["over 2^64", "cut off"]),
        ("large.npy", npy("<f4", false, &[1 << 59, 12], &[]), &["over 2^64", "cut off"]),
        ("nested.npy", npy_of(&"(".repeat(9000), &[]), &["header"]),
        ("sum.npy", npy_of("{'shape': (9+9,), 'descr': '<f4'}", &[]), &["header"]),
        ("nan.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&nan)), &["row 70, column 5", "NaN"]),
        ("wide.npy", npy("<f4", false, &[ROWS / 2, 24], rows_of(90)), &["24", "12", "model model"]),
        ("cut.fvecs", fvecs(&values, DIM)[..500].to_vec(), &["500", "52", "cut off"]),
        ("ragged.fvecs", ragged, &["row 2", "4 values", "12"]),
        ("minus.fvecs", (-3i32).to_le_bytes().to_vec(), &["-3"]),
        ("none.fvecs", Vec::new(), &["at least one row"]),
        ("two.safetensors", safetensors(&two, &[0; 16]), &["2 tensors", "a, b", "--tensor"]),
        ("no.safetensors", safetensors("{}", &[]), &["no tensor", "embeddings"]),
        (
            "cut.safetensors",
            safetensors(&one(tensor("F32", &[5, 12], 0, 240)), &[0; 239]),
            &["240"],
        ),
        (
            "i32.safetensors",
            safetensors(&one(tensor("I32", &[5, 12], 0, 240)), &[0; 240]),
            &["I32", "F16"],
        ),
        ("bad.safetensors", b"........nonsense".to_vec(), &["3327647950551526958", "16"]),
        ("data.csv", b"1,2\n".to_vec(), &[".csv", ".npy", ".fvecs", ".safetensors"]),
        ("truth.ivecs", vec![0; 8], &[".ivecs", "nearest", "vectors"]),
        ("truth.ibin", vec![0; 8], &[".ibin", "nearest", "vectors"]),
    ];
    for (name, bytes, words) in files {
        sandbox.write(name, bytes);
        let words = [words, &[name]].concat();
        sandbox.refuse(&format!("encode {name} --model model -o out --engine cpu"), &words);
        if name != "wide.npy"
            && name != "nan.npy"
            && name != "ragged.fvecs"
            && name != "data.csv"
            && !name.starts_with("truth")
        {
            sandbox.refuse(&format!("inspect {name}"), &words);
        }
        if name != "wide.npy" {
            sandbox.refuse(&format!("fit {name} --latent 2 -o out"), &words);
            sandbox.refuse(&format!("eval {name} --model model --engine cpu"), &words);
        }
    }
    // Codes and models are no data files, and a data file is neither.
    sandbox.write("as.safetensors", sandbox.read("codes"));
    let line = "encode as.safetensors --model model -o out --engine cpu";
    sandbox.refuse(line, &["as.safetensors", "codes", "not data"]);
    sandbox.refuse("encode data.npy --model codes -o out --engine cpu", &["codes", "vecodec fit"]);
    sandbox.refuse("encode data.npy --model data.npy -o out", &["data.npy", "vecodec fit"]);
    sandbox.refuse("decode data.npy --model model -o out.npy", &["data.npy", "vecodec encode"]);
}

#[test]
fn codes_and_models_that_do_not_fit_are_refused() {
    let sandbox = Sandbox::with_codes();
    sandbox.run("fit data.npy --latent 4 --relu -o other");
    let line = "decode codes --model other -o out.npy --engine cpu";
    sandbox.refuse(line, &["codes", "made by model", "other is model"]);
    for name in ["codes", "model"] {
        let whole = sandbox.read(name);
        for len in [0, 7, 100, whole.len() - 1] {
            sandbox.write(name, &whole[..len]);
            sandbox.refuse("decode codes --model model -o out.npy --engine cpu", &[name, "pass"]);
            sandbox.refuse(&format!("inspect {name}"), &[name]);
        }
        sandbox.write(name, whole);
    }
    sandbox.run("decode codes --model model -o out.npy --engine cpu");
}

#[test]
fn outputs_that_would_do_harm_are_refused() {
    let sandbox = Sandbox::with_codes();
    sandbox.write("data.safetensors", sandbox.read("data.npy"));
    fs::create_dir(sandbox.path("folder")).unwrap();
    for (line, words) in [
        ("encode data.npy --model model -o ./model", ["model", "both input and output"]),
        ("fit ./data.npy --latent 2 -o data.npy", ["data.npy", "both input and output"]),
        ("decode codes --model model -o codes", ["codes", "both input and output"]),
        ("fit data.npy --latent 2 -o model.npy", ["model.npy", "safetensors"]),
        ("encode data.npy --model model -o codes.fvecs", ["codes.fvecs", "safetensors"]),
        ("decode codes --model model -o out.bvecs", ["out.bvecs", ".npy, .safetensors"]),
        ("decode codes --model model -o out", ["out", "no extension"]),
        ("decode codes --model model -o none/out.npy", ["none/out.npy", "no folder none"]),
        ("fit data.npy --latent 2 -o folder", ["folder", "no regular file"]),
    ] {
        sandbox.refuse(line, &words);
    }
    // An existing output is replaced as a whole, or unchanged.
    let before = sandbox.read("codes");
    sandbox.run("fit data.npy --latent 1 -o smaller");
    sandbox.run("encode data.npy --model smaller -o codes --engine cpu");
    assert!(sandbox.read("codes").len() < before.len());
}

#[test]
fn missing_files_and_wrong_options_are_refused() {
    let sandbox = Sandbox::with_model();
    sandbox.refuse("encode no.npy --model model -o out", &["no.npy", "no such file"]);
    sandbox.refuse("encode data.npy --model no -o out", &["no: ", "no such file"]);
    sandbox.refuse("decode no --model model -o out.npy", &["no: ", "no such file"]);
    sandbox.refuse("eval no.npy --model model", &["no.npy", "no such file"]);
    sandbox.refuse("inspect no", &["no: ", "no such file"]);
    sandbox.refuse("inspect .", &["regular file"]);
    sandbox.write("queries.npy", npy("<f4", false, &[2, 3], &bytes(&[1.0; 6])));
    sandbox.refuse(
        "fit data.npy --bytes 4 --queries queries.npy -o out",
        &["queries.npy", "queries of 3 values", "12"],
    );
    sandbox.refuse(
        "fit data.npy --bytes 4 --queries data.npy --objective reconstruction -o out",
        &["--queries", "--objective"],
    );
    sandbox.refuse("fit data.npy --latent 0 -o out", &["latent_dim is 0", "at least 1"]);
    sandbox.refuse("fit data.npy --latent 91 -o out", &["data.npy", "90", "91", "fewer"]);
    for line in [
        "",
        "melt data.npy",
        "fit data.npy -o out",
        "encode data.npy --model model -o out --engine abacus",
        "eval data.npy --model model --latent 3",
    ] {
        let output = sandbox.output(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{line}");
    }
    assert_eq!(sandbox.names(), ["data.npy", "model", "queries.npy"]);
}
