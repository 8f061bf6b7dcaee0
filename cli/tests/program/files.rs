//! Round trips through each file format, and the output of `inspect`.

use std::fs;

use half::f16;

use crate::sandbox::*;

fn relative_error(expected: &[f32], found: &[f32]) -> f64 {
    vecodec::metrics::relative_mse(expected, found).unwrap()
}

#[test]
fn every_format_goes_there_and_back() {
    let sandbox = Sandbox::with_model();
    let (values, len) = (rows(ROWS, DIM), ROWS * DIM * 4);
    sandbox.write("data.fvecs", fvecs(&values, DIM));
    let (meta, data) =
        (r#""__metadata__":{"made":"by hand"}"#, tensor("F32", &[ROWS, DIM], 0, len));
    let header = format!(r#"{{{meta},"vectors":{data}}}"#);
    sandbox.write("data.safetensors", safetensors(&header, &bytes(&values)));
    let mut codes = Vec::new();
    for name in ["data.npy", "data.fvecs", "data.safetensors"] {
        sandbox.run(&format!("encode {name} --model model -o {name}.codes --engine cpu"));
        codes.push(sandbox.read(&format!("{name}.codes")));
        assert_eq!(codes[0], codes[codes.len() - 1], "{name}");
    }

    sandbox.run("decode data.npy.codes --model model -o back.npy --engine cpu");
    let back = sandbox.read("back.npy");
    assert!(String::from_utf8_lossy(&back[..128]).contains(&format!("({ROWS}, {DIM}")));
    let decoded = floats(&back[back.len() - len..]);
    assert!(relative_error(&values, &decoded) < 0.01, "{}", relative_error(&values, &decoded));
    sandbox.run("decode data.npy.codes --model model -o back.safetensors --engine cpu");
    let file = sandbox.read("back.safetensors");
    let file = safetensors::SafeTensors::deserialize(&file).unwrap();
    let tensor = file.tensor("embeddings").unwrap();
    assert_eq!((tensor.dtype(), tensor.shape()), (safetensors::Dtype::F32, &[ROWS, DIM][..]));
    assert_eq!(floats(tensor.data()), decoded);

    // The files that were written can be read, and no other file was left.
    sandbox.run("encode back.npy --model model -o one --engine cpu");
    sandbox.run("encode back.safetensors --model model -o two --engine cpu");
    assert_eq!(sandbox.read("one"), sandbox.read("two"));
    assert_eq!(sandbox.names().len(), 11);
}

#[cfg(unix)]
#[test]
fn outputs_follow_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::with_codes();
    sandbox.run("decode codes --model model -o back.npy --engine cpu");
    let mode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().permissions().mode();
    for name in ["model", "codes", "back.npy"] {
        assert_eq!(mode(name), mode("data.npy"), "{name}");
    }
}

#[test]
fn half_precision_is_read() {
    let sandbox = Sandbox::with_model();
    let halves: Vec<f16> = rows(ROWS, DIM).into_iter().map(f16::from_f32).collect();
    let exact: Vec<f32> = halves.iter().map(|h| h.to_f32()).collect();
    let halves: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
    sandbox.write("full.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&exact)));
    sandbox.write("half.npy", npy("<f2", false, &[ROWS, DIM], &halves));
    // The tensor `embeddings` is read, although another tensor of two dimensions lies before it.
    let other = tensor("F32", &[2, 2], 0, 16);
    let header = tensor("F16", &[ROWS, DIM], 16, 16 + halves.len());
    let header = format!(r#"{{"another":{other},"embeddings":{header}}}"#);
    sandbox
        .write("half.safetensors", safetensors(&header, &[&[0; 16], halves.as_slice()].concat()));
    for name in ["full.npy", "half.npy", "half.safetensors"] {
        sandbox.run(&format!("encode {name} --model model -o {name}.codes --engine cpu"));
        assert_eq!(
            sandbox.read(&format!("{name}.codes")),
            sandbox.read("full.npy.codes"),
            "{name}"
        );
    }
    assert!(sandbox.run("inspect half.npy").contains("f16"));
}

#[test]
fn inspect_describes_a_file() {
    let sandbox = Sandbox::with_codes();
    sandbox.run("fit data.npy --latent 3 --relu --normalize -o other");
    let value = |text: &str, name: &str| -> String {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}  ")));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        line[name.len()..].trim().to_owned()
    };
    let (model, codes) = (sandbox.run("inspect model"), sandbox.run("inspect codes"));
    let (other, data) = (sandbox.run("inspect other"), sandbox.run("inspect data.npy"));
    for (text, name, expected) in [
        (&model, "kind", "model"),
        (&model, "dim", "12"),
        (&model, "latent", "4"),
        (&model, "activation", "identity"),
        (&model, "normalized latent", "false"),
        (&model, "bytes per row", "8"),
        (&model, "compression ratio", "6.00"),
        (&model, "biases", "encoder, decoder"),
        (&other, "latent", "3"),
        (&other, "activation", "relu"),
        (&other, "normalized latent", "true"),
        (&codes, "kind", "codes"),
        (&codes, "rows", "90"),
        (&codes, "dim", "12"),
        (&data, "kind", "data"),
        (&data, "format", "npy"),
        (&data, "rows", "90"),
        (&data, "dim", "12"),
        (&data, "type", "f32"),
    ] {
        assert_eq!(value(text, name), expected, "{name} in {text}");
    }
    let fingerprint = value(&model, "fingerprint");
    assert_eq!(fingerprint.len(), 32);
    assert_eq!(value(&codes, "model fingerprint"), fingerprint);
    assert_ne!(value(&other, "fingerprint"), fingerprint);
}

#[test]
fn a_reader_that_left_is_no_error() {
    let sandbox = Sandbox::with_model();
    for line in ["inspect model", "eval data.npy --model model --json --engine cpu", "--help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = sandbox.command(line).stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && stderr.is_empty(), "{line}: {stderr}");
    }
}

/// Enough rows for several blocks of the program. The last block is shorter.
#[test]
fn rows_are_counted_across_blocks() {
    let (rows, dim) = (1_100, 1 << 13);
    let sandbox = Sandbox::new();
    let mut values = Random::new(72).normals(rows * dim, 1.0);
    let write = |values: &[f32]| {
        sandbox.write("wide.npy", npy("<f4", false, &[rows, dim], &bytes(values)));
        sandbox.write("wide.fvecs", fvecs(values, dim));
    };
    write(&values);
    let model = vecodec::Model::random(vecodec::ModelConfig::int8(dim, 2), 73).unwrap();
    model.save(sandbox.path("model")).unwrap();
    let codec = vecodec::CodecOptions::default().with_engine(vecodec::Engine::Cpu);
    let codec = vecodec::Codec::with_options(model, codec).unwrap();
    let expected = codec.encode_flat(&values).unwrap();
    for name in ["wide.npy", "wide.fvecs"] {
        sandbox.run(&format!("encode {name} --model model -o codes --engine cpu"));
        let codes = vecodec::Codes::load(sandbox.path("codes")).unwrap();
        assert_eq!(codes.row_count(), rows);
        assert!(codes == expected, "{name}: blocks differ from the whole");
    }
    sandbox.run("decode codes --model model -o out.npy --engine cpu");
    let (file, whole) = (sandbox.read("out.npy"), codec.decode_flat(&expected).unwrap());
    assert!(floats(&file[file.len() - whole.len() * 4..]) == whole);
    fs::remove_file(sandbox.path("out.npy")).unwrap();

    values[1_050 * dim + 3] = f32::INFINITY;
    write(&values);
    for name in ["wide.npy", "wide.fvecs"] {
        for verb in ["encode", "eval"] {
            let output = if verb == "encode" { " -o out" } else { "" };
            let line = format!("{verb} {name} --model model{output} --engine cpu");
            sandbox.refuse(&line, &[name, "row 1050, column 3 is inf"]);
        }
    }
}
