//! Headers of .npy files in every spelling, and the remedies in Python.

use std::process::Command;

use half::{bf16, f16};

use crate::sandbox::*;

/// Rows of small integers, which every type holds exactly.
fn integers() -> Vec<f32> {
    (0..ROWS * DIM).map(|i| (i * i % 113) as f32).collect()
}

/// The integers as values of a type.
fn stored<const N: usize>(value: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    integers().into_iter().flat_map(value).collect()
}

#[test]
fn every_type_and_spelling_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("data.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&integers())));
    sandbox.run("fit data.npy --latent 4 -o model");
    sandbox.run("encode data.npy --model model -o expected --engine cpu");
    let groups: [(&str, &[&str], Vec<u8>); 9] = [
        ("f32", &["<f4", "f4", "=f4", "|f4", "float32", "single", "f"], bytes(&integers())),
        ("big-endian f32", &[">f4", "!f4", ">f"], stored(|v| v.to_be_bytes())),
        ("f16", &["<f2", "f2", "float16", "half", "e"], stored(|v| f16::from_f32(v).to_le_bytes())),
        ("big-endian f16", &[">f2", ">e"], stored(|v| f16::from_f32(v).to_be_bytes())),
        ("f64", &["<f8", "f8", "float64", "double", "d"], stored(|v| f64::from(v).to_le_bytes())),
        ("big-endian f64", &[">f8"], stored(|v| f64::from(v).to_be_bytes())),
        ("bf16", &["<V2", "|V2", "bfloat16"], stored(|v| bf16::from_f32(v).to_le_bytes())),
        ("i8", &["|i1", "<i1", ">i1", "i1", "int8", "b"], stored(|v| [v as u8])),
        ("u8", &["|u1", "u1", "uint8", "B"], stored(|v| [v as u8])),
    ];
    for (kind, spellings, data) in groups {
        for spelling in spellings {
            sandbox.write("x.npy", npy(spelling, false, &[ROWS, DIM], &data));
            let output = sandbox.output("encode x.npy --model model -o codes --engine cpu");
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{spelling}: {stderr}");
            assert_eq!(sandbox.read("codes"), sandbox.read("expected"), "{spelling}");
            let is_noted = stderr.contains(&format!("its {kind} values are converted to f32"));
            let converted = kind.starts_with("big") || kind == "f64";
            assert_eq!(is_noted, converted, "{spelling}: {stderr}");
            assert!(sandbox.run("inspect x.npy").contains(kind), "{spelling}");
        }
    }
}

#[test]
fn every_form_of_a_header_is_read() {
    let sandbox = Sandbox::with_codes();
    let data = bytes(&rows(ROWS, DIM));
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({ROWS}, {DIM}), }}");
    let version = |version: u8, text: &str| {
        let len = text.len() as u32;
        let len = if version == 1 { &len.to_le_bytes()[..2] } else { &len.to_le_bytes() };
        [b"\x93NUMPY".as_slice(), &[version, 0], len, text.as_bytes(), &data].concat()
    };
    let long = format!("{header:9000}\n");
    let reordered =
        format!("{{\"shape\":({ROWS}L,{DIM}L),\"fortran_order\":False,\"descr\":\"f4\"}}");
    for file in [
        version(1, &header),
        version(2, &format!("{header}\n")),
        version(3, &long),
        version(1, &reordered),
        version(1, &format!(" {reordered}  \n")),
    ] {
        sandbox.write("x.npy", file);
        sandbox.run("encode x.npy --model model -o again --engine cpu");
        assert_eq!(sandbox.read("again"), sandbox.read("codes"));
    }
    // Rows and columns lie alike in a single row, whatever the order is called.
    sandbox.write("x.npy", npy("<f4", true, &[1, DIM], &data[..DIM * 4]));
    sandbox.run("encode x.npy --model model -o again --engine cpu");
    for file in
        [version(4, &header), version(1, &header[1..]), version(3, &format!("{header:10001}"))]
    {
        sandbox.write("x.npy", file);
        sandbox.refuse("inspect x.npy", &["x.npy"]);
    }
}

#[test]
fn values_beyond_f32_are_named() {
    let sandbox = Sandbox::with_model();
    let mut values: Vec<f64> = rows(ROWS, DIM).into_iter().map(f64::from).collect();
    values[30 * DIM + 7] = -1e300;
    let file = |values: &[f64]| {
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
        npy(">f8", false, &[ROWS, DIM], &data)
    };
    sandbox.write("x.npy", file(&values));
    let words = ["x.npy", "row 30, column 7 is -1e300", "f32"];
    let output = sandbox.output("encode x.npy --model model -o out --engine cpu");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    // The note on the conversion, and then the error.
    let last = stderr.lines().last().unwrap();
    assert!(
        stderr.lines().count() == 2 && words.iter().all(|word| last.contains(word)),
        "{stderr}"
    );
    values[30 * DIM + 7] = f64::NAN;
    sandbox.write("x.npy", file(&values));
    let output = sandbox.output("encode x.npy --model model -o out --engine cpu");
    assert!(String::from_utf8(output.stderr).unwrap().contains("row 30, column 7 is NaN"));
}

/// Each remedy is run in Python as it is printed. Then the program reads what it saved.
#[test]
#[cfg_attr(skip_numpy_tests, ignore = "python3 has no NumPy")]
fn remedies_in_python_work() {
    let sandbox = Sandbox::with_model();
    let python = |line: &str| {
        let mut command = Command::new("python3");
        let output = command.arg("-c").arg(line).current_dir(sandbox.path("")).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    // Windows has no such names.
    let (name, literal) = match cfg!(windows) {
        true => ("it's.npy", r#""it's.npy""#),
        false => ("it's 5\\ \"new\".npy", r#"'it\'s 5\\ "new".npy'"#),
    };
    for array in [
        "numpy.arange(1080, dtype='<i4').reshape(90, 12)",
        "numpy.arange(1080, dtype='>u2').reshape(90, 12)",
        "numpy.arange(1080).reshape(90, 12) > 7",
        "numpy.arange(1080).reshape(90, 12) + 1j",
        "numpy.arange(1080, dtype=numpy.longdouble).reshape(90, 12)",
        "numpy.asfortranarray(numpy.arange(1080, dtype='<f4').reshape(90, 12))",
        "numpy.asfortranarray(numpy.arange(1080).reshape(90, 12))",
        "numpy.arange(12, dtype='<f4')",
        "numpy.arange(1080, dtype='<f4').reshape(9, 10, 12)",
        "numpy.asfortranarray(numpy.arange(1080, dtype='<i8').reshape(9, 10, 12))",
        "numpy.zeros(90, [(f'field{i}', '<f4') for i in range(12)])",
    ] {
        python(&format!("import numpy; numpy.save({literal}, {array})"));
        let mut command = sandbox.command("encode");
        command.args([name, "--model", "model", "-o", "codes", "--engine", "cpu"]);
        let stderr = String::from_utf8(command.output().unwrap().stderr).unwrap();
        let at = stderr.find("import numpy").unwrap_or_else(|| panic!("{array}: {stderr}"));
        python(stderr[at..].trim_end());
        sandbox.run("encode fixed.npy --model model -o codes --engine cpu");
        std::fs::remove_file(sandbox.path("fixed.npy")).unwrap();
    }
    for array in ["numpy.array([[None]])", "numpy.array([['text']])", "numpy.zeros((3, 0, 0))"] {
        python(&format!("import numpy; numpy.save('x.npy', {array}, allow_pickle=True)"));
        sandbox.refuse("encode x.npy --model model -o out", &["x.npy", "save"]);
    }
    python("import numpy; numpy.savez('x.npz', **{\"a'b\": numpy.zeros((9, 12), int)})");
    let stderr = String::from_utf8(sandbox.output("inspect x.npz").stderr).unwrap();
    python(&stderr[stderr.find("import numpy").unwrap()..]);
    sandbox.run("encode fixed.npy --model model -o codes --engine cpu");
}
