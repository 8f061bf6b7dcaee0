//! Data through pipes.

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::thread;

use crate::sandbox::*;

/// Runs a command with bytes on its standard input. The program may leave before it has read all.
fn with_input(sandbox: &Sandbox, line: &str, input: Vec<u8>) -> Output {
    let mut command = sandbox.command(line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(words.iter().all(|word| stderr.contains(word)), "{words:?}: {stderr}");
}

#[test]
fn data_comes_through_the_standard_input() {
    let sandbox = Sandbox::with_codes();
    let values = rows(ROWS, DIM);
    let header = format!(
        r#"{{"before":{},"embeddings":{},"behind":{}}}"#,
        tensor("U8", &[5], 0, 5),
        tensor("F32", &[ROWS, DIM], 5, 5 + ROWS * DIM * 4),
        tensor("U8", &[3], 5 + ROWS * DIM * 4, 8 + ROWS * DIM * 4),
    );
    let tensors = safetensors(&header, &[&[1; 5], bytes(&values).as_slice(), &[1; 3]].concat());
    let line = "encode - --model model -o again --engine cpu";
    for input in [sandbox.read("data.npy"), tensors] {
        let output = with_input(&sandbox, line, input.clone());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(sandbox.read("again"), sandbox.read("codes"));
        std::fs::remove_file(sandbox.path("again")).unwrap();
        let output = with_input(&sandbox, "inspect -", input.clone());
        assert!(String::from_utf8(output.stdout).unwrap().contains("f32"));
        for verb in ["fit - --latent 4 -o other", "eval - --model model --engine cpu"] {
            assert!(with_input(&sandbox, verb, input.clone()).status.success(), "{verb}");
        }

        let cut = input[..input.len() - 1].to_vec();
        let end = input.len().to_string();
        refused(
            &with_input(&sandbox, line, cut),
            &["cut off", &end, &(input.len() - 1).to_string()],
        );
        refused(&with_input(&sandbox, line, [input.as_slice(), &[0]].concat()), &["more", &end]);
        refused(&with_input(&sandbox, line, input[..40].to_vec()), &["-: "]);
    }
    for (input, word) in [
        (Vec::new(), "empty"),
        (fvecs(&values, DIM), ".npy or .safetensors"),
        (b"1,2,3\n4,5,6\n".to_vec(), ".npy or .safetensors"),
        (npy("<f4", false, &[1 << 40, 1 << 10], &[0; 100]), "cut off"),
        (npy("<f4", false, &[1 << 62, 12], &[]), "2^64"),
        ([(1u64 << 40).to_le_bytes().as_slice(), b"{}"].concat(), "1099511627776"),
        ([99_999_999u64.to_le_bytes().as_slice(), b"{}"].concat(), "99999999"),
    ] {
        refused(&with_input(&sandbox, line, input), &["-: ", word]);
    }
    assert!(!sandbox.names().contains(&"again".to_owned()));
}

#[cfg(unix)]
#[test]
fn devices_and_fifos_are_read_as_pipes() {
    let sandbox = Sandbox::with_codes();
    sandbox.refuse("encode /dev/zero --model model -o out", &["/dev/zero", "does not begin"]);
    sandbox.refuse("inspect /dev/null", &["/dev/null", "empty"]);
    for name in ["fifo", "fifo.npy", "fifo.fvecs"] {
        let made = std::process::Command::new("mkfifo").arg(sandbox.path(name)).status().unwrap();
        assert!(made.success());
        let (path, data) = (sandbox.path(name), sandbox.read("data.npy"));
        // Opening a pipe to write to it waits for the program.
        let writer = thread::spawn(move || drop(std::fs::write(path, data)));
        let output = sandbox.output(&format!("encode {name} --model model -o again --engine cpu"));
        writer.join().unwrap();
        if name == "fifo.fvecs" {
            refused(&output, &["fifo.fvecs", "pipe", ".npy or .safetensors"]);
        } else {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(sandbox.read("again"), sandbox.read("codes"));
        }
    }
}
