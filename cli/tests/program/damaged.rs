//! Damaged models and codes through the program: whatever the bytes are, a run ends with status 0 or 2,
//! and an error is one line.

use std::process::Output;

use crate::sandbox::*;

/// Runs a command on damaged files. Returns whether it was refused.
fn refused(sandbox: &Sandbox, line: &str, what: &str) -> bool {
    let Output { status, stderr, .. } = sandbox.output(line);
    let stderr = String::from_utf8(stderr).unwrap();
    match status.code() {
        Some(0) => false,
        Some(2) => {
            assert!(stderr.starts_with("error: "), "{line}, {what}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{line}, {what}: {stderr}");
            assert!(!stderr.contains("a fault of vecodec"), "{line}, {what}: {stderr}");
            true
        }
        _ => panic!("{line}, {what}: {status}: {stderr}"),
    }
}

#[test]
fn damaged_models_and_codes_end_in_one_line() {
    let sandbox = Sandbox::new();
    let mut random = Random::new(14);
    let (mut runs, mut errors) = (0, 0);
    for size in ["--latent 4", "--bytes 4", "--bytes 4 --coding scalar"] {
        sandbox.run(&format!("fit data.npy {size} -o model"));
        sandbox.run("encode data.npy --model model -o codes --engine cpu");
        for name in ["model", "codes"] {
            let whole = sandbox.read(name);
            let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
            let mut damaged: Vec<(String, Vec<u8>)> = (0..whole.len())
                .step_by(whole.len() / 12)
                .map(|len| (format!("{len} bytes"), whole[..len].to_vec()))
                .collect();
            // Mostly the header, where a bit decides how all others are read.
            for (end, count) in [(header, 60), (whole.len(), 20)] {
                for position in random.normals(count, 1.0) {
                    let bit = ((f64::from(position).abs() * 1e4) as usize * 31) % (8 * end);
                    let mut bytes = whole.clone();
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    damaged.push((format!("bit {bit}"), bytes));
                }
            }
            for (what, bytes) in damaged {
                sandbox.write(name, bytes);
                for line in [
                    format!("inspect {name}"),
                    "decode codes --model model -o out.npy --engine cpu".to_owned(),
                ] {
                    errors += usize::from(refused(&sandbox, &line, &format!("{size}, {what}")));
                    runs += 1;
                }
            }
            sandbox.write(name, whole);
        }
    }
    sandbox.run("decode codes --model model -o out.npy --engine cpu");
    assert!(runs > 1000 && errors > 500 && errors < runs, "{errors} errors in {runs} runs");
}
