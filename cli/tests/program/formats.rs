//! Formats beside .npy and .fvecs, and the choice among several tensors.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::sandbox::*;

/// Rows of integers that fit into seven bits.
fn integers() -> Vec<f32> {
    (0..ROWS * DIM).map(|i| (i * i % 113) as f32).collect()
}

fn small(values: &[f32]) -> Vec<u8> {
    values.iter().map(|v| *v as u8).collect()
}

/// A sandbox with `integers` as data.npy, a model of it, and its codes as `expected`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("data.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&integers())));
    sandbox.run("fit data.npy --latent 4 -o model");
    sandbox.run("encode data.npy --model model -o expected --engine cpu");
    sandbox
}

fn assert_encodes(sandbox: &Sandbox, data: &str) {
    sandbox.run(&format!("encode {data} --model model -o codes --engine cpu"));
    assert_eq!(sandbox.read("codes"), sandbox.read("expected"), "{data}");
}

/// A .npz file. Each member has a name, its bytes, and whether it is compressed.
fn npz(members: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, compressed) in members {
        let method =
            if *compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let options = SimpleFileOptions::default().compression_method(method);
        // NumPy reserves the sizes of large members.
        zip.start_file(*name, options.large_file(true)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn formats_of_benchmarks_are_read() {
    let sandbox = sandbox();
    let (floats, small) = (bytes(&integers()), small(&integers()));
    let bin = |data: &[u8]| {
        let numbers = [(ROWS as u32).to_le_bytes(), (DIM as u32).to_le_bytes()].concat();
        [numbers.as_slice(), data].concat()
    };
    let counted = |row: &[u8]| [&(DIM as i32).to_le_bytes(), row].concat();
    let bvecs: Vec<u8> = small.chunks(DIM).flat_map(counted).collect();
    for (name, kind, file) in [
        ("x.fvecs", "f32", fvecs(&integers(), DIM)),
        ("x.bvecs", "u8", bvecs),
        ("x.fbin", "f32", bin(&floats)),
        ("x.u8bin", "u8", bin(&small)),
        ("X.I8BIN", "i8", bin(&small)),
    ] {
        sandbox.write(name, &file);
        assert_encodes(&sandbox, name);
        assert!(sandbox.run(&format!("inspect {name}")).contains(kind), "{name}");
        for len in [0, 3, 7, file.len() - 1] {
            sandbox.write(name, &file[..len]);
            sandbox.refuse(&format!("encode {name} --model model -o out"), &[name]);
        }
        sandbox.write(name, [file.as_slice(), &[0]].concat());
        sandbox.refuse(&format!("encode {name} --model model -o out"), &[name]);
    }
    // The numbers of the header are no reason to allocate.
    sandbox.write("x.fbin", [0xff; 8]);
    sandbox.refuse("encode x.fbin --model model -o out", &["x.fbin", "4294967295", "8"]);
}

#[test]
fn a_tensor_is_chosen_by_its_name() {
    let sandbox = sandbox();
    let (len, small) = (ROWS * DIM, small(&integers()));
    let header = format!(
        r#"{{"b":{},"a":{},"flat":{}}}"#,
        tensor("U8", &[ROWS, DIM], 0, len),
        tensor("I8", &[ROWS, DIM], len, 2 * len),
        tensor("I64", &[3], 2 * len, 2 * len + 24),
    );
    let zeros = vec![0; len];
    let data = [zeros.as_slice(), &small, &[0; 24]].concat();
    sandbox.write("x.safetensors", safetensors(&header, &data));
    assert_encodes(&sandbox, "x.safetensors --tensor a");
    sandbox.run("fit x.safetensors --tensor a --latent 2 -o other");
    sandbox.run("eval x.safetensors --tensor a --model model --engine cpu");
    assert!(sandbox.run("inspect x.safetensors --tensor a").contains("i8"));
    for (line, words) in [
        ("x.safetensors", ["x.safetensors", "2 tensors", "(a, b)", "--tensor NAME"]),
        ("x.safetensors --tensor c", ["x.safetensors", "no \"c\"", "a, b", "--tensor NAME"]),
        ("x.safetensors --tensor flat", ["x.safetensors", "flat", "I64", "F32"]),
        ("data.npy --tensor a", ["data.npy", ".npy", "no names", "\"a\" (--tensor)"]),
    ] {
        sandbox.refuse(&format!("encode {line} --model model -o out"), &words);
        sandbox.refuse(&format!("inspect {line}"), &words);
    }
    for (dtype, cell, expected) in
        [("F64", [0, 0, 0, 0, 0, 0, 0xf0, 0x3f].as_slice(), "f64"), ("BF16", &[0x80, 0x3f], "bf16")]
    {
        let header = format!(r#"{{"x":{}}}"#, tensor(dtype, &[2, 3], 0, 6 * cell.len()));
        sandbox.write("ones.safetensors", safetensors(&header, &cell.repeat(6)));
        assert!(sandbox.run("inspect ones.safetensors").contains(expected));
        sandbox.run("fit ones.safetensors --latent 1 -o other");
    }
}

#[test]
fn arrays_of_npz_are_read() {
    let sandbox = sandbox();
    let array = sandbox.read("data.npy");
    let other = npy("<f4", false, &[1, 1], &[0; 4]);
    for compressed in [false, true] {
        sandbox.write("x.npz", npz(&[("arr_0.npy", &array, compressed)]));
        assert_encodes(&sandbox, "x.npz");
        assert!(sandbox.run("inspect x.npz").contains("npz"));
        sandbox.write("x.npz", npz(&[("b.npy", &other, true), ("a.npy", &array, compressed)]));
        assert_encodes(&sandbox, "x.npz --tensor a");
        sandbox.refuse("encode x.npz --model model -o out", &["x.npz", "b, a", "--tensor NAME"]);
        let words = ["x.npz", "no \"c\"", "b, a", "--tensor NAME"];
        sandbox.refuse("encode x.npz --tensor c --model model -o out", &words);
        sandbox.write(
            "x.npz",
            npz(&[("embeddings.npy", &array, compressed), ("b.npy", &other, true)]),
        );
        assert_encodes(&sandbox, "x.npz");

        // The array and the archive are cut off, in the header and behind it.
        for cut in [60, array.len() - 1] {
            sandbox.write("x.npz", npz(&[("a.npy", &array[..cut], compressed)]));
            sandbox.refuse("encode x.npz --model model -o out", &["x.npz[a]"]);
        }
        sandbox.write("x.npz", npz(&[("a.npy", &[array.as_slice(), &[0]].concat(), compressed)]));
        sandbox.refuse("encode x.npz --model model -o out", &["x.npz[a]", "appended"]);
        let whole = npz(&[("a.npy", &array, compressed)]);
        for cut in [0, 10, 100, whole.len() - 30, whole.len() - 1] {
            sandbox.write("x.npz", &whole[..cut]);
            sandbox.refuse("encode x.npz --model model -o out", &["x.npz", "save it again"]);
        }
    }
    sandbox.write("x.npz", npz(&[("text.txt", b"no array", true)]));
    sandbox.refuse("encode x.npz --model model -o out", &["x.npz", "no arrays"]);
    // An array of many gigabytes of zeros, of which the header promises none.
    let bomb = [npy("<f4", false, &[1, 12], &[0; 48]), vec![0; 1 << 24]].concat();
    sandbox.write("x.npz", npz(&[("a.npy", &bomb, true)]));
    sandbox.refuse("encode x.npz --model model -o out", &["x.npz[a]", "appended"]);
}

/// Every byte of a small archive is changed. The program may read the array or refuse it.
#[test]
fn damaged_archives_do_no_harm() {
    let sandbox = sandbox();
    let whole = npz(&[("a.npy", &npy("<f4", false, &[2, 2], &[0; 16]), true)]);
    for at in (0..whole.len()).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        sandbox.write("x.npz", damaged);
        let output = sandbox.output("inspect x.npz");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(0 | 2)), "{at}: {stderr}");
        assert!(stderr.lines().count() <= 1, "{at}: {stderr}");
    }
}
