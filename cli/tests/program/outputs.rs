//! What `decode` writes, and pipes as outputs.

use std::io::Read as _;
use std::process::Stdio;

use half::f16;

use crate::sandbox::*;

#[test]
fn every_output_has_the_decoded_rows() {
    let sandbox = Sandbox::with_codes();
    let len = ROWS * DIM;
    sandbox.run("decode codes --model model -o out.npy --engine cpu");
    let file = sandbox.read("out.npy");
    let (header, data) = file.split_at(file.len() - len * 4);
    assert!(header.len() == 128 && header.ends_with(b"\n"), "{header:?}");
    let expected = floats(data);
    sandbox.run("decode codes --model model -o out.fvecs --engine cpu");
    assert_eq!(sandbox.read("out.fvecs"), fvecs(&expected, DIM));
    sandbox.run("decode codes --model model -o out.fbin --engine cpu");
    let numbers = [(ROWS as u32).to_le_bytes(), (DIM as u32).to_le_bytes()].concat();
    assert_eq!(sandbox.read("out.fbin"), [numbers, bytes(&expected)].concat());
    for name in ["half.npy", "half.safetensors"] {
        sandbox.run(&format!("decode codes --model model -o {name} --dtype f16 --engine cpu"));
        let file = sandbox.read(name);
        let halves = file[file.len() - len * 2..].as_chunks().0.iter();
        let halves: Vec<f32> = halves.map(|half| f16::from_le_bytes(*half).to_f32()).collect();
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * a.abs().max(1e-3);
        assert!(expected.iter().zip(&halves).all(close), "{name}");
        assert!(sandbox.run(&format!("inspect {name}")).contains("f16"));
    }
    for (line, words) in [
        ("-o out.fbin --dtype f16", [".fbin", "--dtype f16"]),
        ("-o out.fvecs --dtype f16", [".fvecs", "--dtype f16"]),
        ("-o out.u8bin", [".u8bin", ".npy, .safetensors, .fvecs or .fbin"]),
        ("-o out.npz", [".npz", ".npy, .safetensors, .fvecs or .fbin"]),
        ("-o - --json", ["--json", "stdout"]),
    ] {
        sandbox.refuse(&format!("decode codes --model model {line} --engine cpu"), &words);
    }
}

#[test]
fn values_beyond_f16_are_named() {
    let sandbox = Sandbox::new();
    let mut values = rows(ROWS, DIM);
    values[40 * DIM + 2] = 1e6;
    sandbox.write("large.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&values)));
    sandbox.run("fit large.npy --latent 12 -o model");
    sandbox.run("encode large.npy --model model -o codes --engine cpu");
    let line = "decode codes --model model --dtype f16 -o out.npy --engine cpu";
    sandbox.refuse(line, &["codes", "row 40, column 2", "f16", "--dtype f32"]);
    sandbox.run("decode codes --model model --dtype f32 -o out.npy --engine cpu");
    // What exceeds f32, too, is written as the codec decodes it: no other type would help.
    let model = vecodec::Model::load(sandbox.path("model")).unwrap();
    let huge = vecodec::Codes::from_parts(&model, vec![127; 2 * 12], vec![f32::MAX; 2]).unwrap();
    huge.save(sandbox.path("codes")).unwrap();
    sandbox.run("decode codes --model model --dtype f32 -o out.npy --engine cpu");
}

#[test]
fn rows_leave_through_the_standard_output() {
    let sandbox = Sandbox::with_codes();
    for dtype in ["f32", "f16"] {
        let options = format!("--model model --engine cpu --dtype {dtype}");
        sandbox.run(&format!("decode codes -o out.npy {options}"));
        let output = sandbox.output(&format!("decode codes -o - {options}"));
        assert!(output.status.success() && !output.stderr.is_empty());
        assert_eq!(output.stdout, sandbox.read("out.npy"));
    }
    assert!(!sandbox.names().contains(&"-".to_owned()));
}

/// The reader takes a few bytes of many rows and leaves.
#[test]
fn a_closed_pipe_ends_decode_quietly() {
    let (rows, dim) = (1_000, 1 << 13);
    let sandbox = Sandbox::new();
    let model = vecodec::Model::random(vecodec::ModelConfig::int8(dim, 2), 73).unwrap();
    model.save(sandbox.path("model")).unwrap();
    let codes = vecodec::Codes::from_parts(&model, vec![1; rows * 2], 1.0f32).unwrap();
    codes.save(sandbox.path("codes")).unwrap();
    let mut command = sandbox.command("decode codes --model model -o - --engine cpu");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut front = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut front).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.is_empty(), "{:?}: {stderr}", output.status);
    assert!(front.starts_with(b"\x93NUMPY"));
}

#[test]
fn models_and_codes_are_regular_files() {
    let sandbox = Sandbox::with_codes();
    for (line, words) in [
        ("fit data.npy --latent 2 -o -", ["models", "pipe", "path of a file"]),
        ("encode data.npy --model model -o -", ["codes", "pipe", "path of a file"]),
        ("encode data.npy --model - -o out", ["models", "pipe", "to a file first"]),
        ("eval data.npy --model -", ["models", "pipe", "to a file first"]),
        ("decode - --model model -o out.npy", ["codes", "pipe", "to a file first"]),
        ("decode codes --model - -o out.npy", ["models", "pipe", "to a file first"]),
    ] {
        sandbox.refuse(line, &words);
    }
    #[cfg(unix)]
    {
        let made = std::process::Command::new("mkfifo").arg(sandbox.path("fifo")).status().unwrap();
        assert!(made.success());
        for line in ["encode data.npy --model fifo -o out", "decode fifo --model model -o out.npy"]
        {
            let output = sandbox.output(line);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(2) && stderr.contains("pipe"), "{stderr}");
        }
    }
}
