//! Ends of the program by signals, limits and full memory: the exit status says which, and nothing stays
//! beside the output.
#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::sandbox::*;

/// Encodes for long enough that a signal meets it in the middle.
const LONG: &str = "encode long.npy --model model -o codes --engine cpu";

/// A sandbox with a model that encodes slowly, and data for some seconds of it.
fn slow() -> Sandbox {
    const COPIES: usize = 60_000;
    let sandbox = Sandbox::new();
    sandbox.run("fit data.npy --bytes 6 --states 4096 -o model");
    let data = bytes(&rows(ROWS, DIM)).repeat(COPIES);
    sandbox.write("long.npy", npy("<f4", false, &[ROWS * COPIES, DIM], &data));
    sandbox
}

/// Starts a command, and waits until it has opened its output.
fn started(sandbox: &Sandbox, line: &str) -> Child {
    let child = sandbox.command(line).stderr(Stdio::piped()).spawn().unwrap();
    let (start, fds) = (Instant::now(), format!("/proc/{}/fd", child.id()));
    let is_output = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        target.contains("(deleted)") || target.contains(".vecodec-")
    };
    while !fs::read_dir(&fds).is_ok_and(|fds| fds.flatten().any(is_output)) {
        assert!(start.elapsed() < Duration::from_secs(60), "{line} opens no output");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
#[cfg(target_os = "linux")]
fn signals_leave_nothing_and_give_their_status() {
    let sandbox = slow();
    for before in [None, Some(b"an older file".as_slice())] {
        if let Some(before) = before {
            sandbox.write("codes", before);
        }
        let names = sandbox.names();
        for (name, status) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129), ("-KILL", 137)] {
            let mut child = started(&sandbox, LONG);
            thread::sleep(Duration::from_millis(30));
            signal(&child, name);
            let ended = child.wait().unwrap();
            // A process that is killed has no status of its own.
            assert_eq!(ended.code().unwrap_or(137), status, "{name}: {ended}");
            assert_eq!(sandbox.names(), names, "{name}");
            assert!(before.is_none_or(|before| sandbox.read("codes") == before), "{name}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_ignored_signal_stays_ignored() {
    let sandbox = Sandbox::with_model();
    let line = "trap '' HUP; \"$0\" encode data.npy --model model -o codes --engine cpu & \
                kill -HUP $!; wait $!";
    let mut command = sandbox.command("");
    let program = command.get_program().to_owned();
    command = Command::new("sh");
    command.arg("-c").arg(line).arg(program).current_dir(sandbox.path("."));
    assert!(command.output().unwrap().status.success());
    assert!(sandbox.names().contains(&"codes".to_owned()));
}

/// Runs a command under limits of the shell.
fn limited(sandbox: &Sandbox, limit: &str, line: &str) -> (Option<i32>, String) {
    let program = sandbox.command("").get_program().to_owned();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit {limit}; \"$0\" {line}"))
        .arg(program)
        .current_dir(sandbox.path("."))
        .env("XDG_RUNTIME_DIR", "/tmp")
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_gets_too_large_is_reported() {
    let sandbox = Sandbox::with_model();
    sandbox.run("encode data.npy --model model -o codes --engine cpu");
    let names = sandbox.names();
    // A block of `sh` has 512 bytes.
    for line in [
        "decode codes --model model -o out.npy --engine cpu",
        "decode codes --model model -o out.safetensors --engine cpu",
    ] {
        let (status, stderr) = limited(&sandbox, "-f 4", line);
        assert_eq!(status, Some(128 + 25), "{line}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.lines().count() == 1, "{stderr}");
        assert_eq!(sandbox.names(), names, "{line}");
    }
}

/// Every limit ends in success or in an error, on both engines: never in a signal, and never in a panic.
#[test]
#[cfg(target_os = "linux")]
fn a_small_address_space_is_an_error() {
    let sandbox = Sandbox::with_codes();
    let names = sandbox.names();
    let (mut done, mut refused) = (0, 0);
    for engine in ["cpu", "gpu", "auto"] {
        for kib in [30_000, 60_000, 100_000, 200_000, 400_000, 800_000, 1_600_000, 3_000_000] {
            let line = format!("decode codes --model model -o out.npy --engine {engine}");
            let (status, stderr) = limited(&sandbox, &format!("-v {kib}"), &line);
            match status {
                Some(0) => done += 1,
                // The system could not even load the program.
                Some(127) => assert!(kib <= 60_000, "{stderr}"),
                Some(2) => {
                    refused += 1;
                    assert!(stderr.contains("error: "), "{engine}, {kib} KiB: {stderr}");
                }
                status => panic!("{engine}, {kib} KiB: {status:?}: {stderr}"),
            }
            let _written = fs::remove_file(sandbox.path("out.npy"));
            assert_eq!(sandbox.names(), names, "{engine}, {kib} KiB");
        }
    }
    assert!(done > 3 && refused > 3, "{done} done, {refused} refused");
}

#[test]
fn modes_links_and_read_only_outputs_are_respected() {
    let sandbox = Sandbox::with_model();
    let mode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().permissions().mode() & 0o777;
    sandbox.write("old", "old");
    fs::set_permissions(sandbox.path("old"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("old", sandbox.path("link")).unwrap();
    sandbox.run("encode data.npy --model model -o link --engine cpu");
    assert!(fs::symlink_metadata(sandbox.path("link")).unwrap().is_symlink());
    assert_eq!(mode("old"), 0o600);
    sandbox.run("decode old --model model -o out.npy --engine cpu");

    fs::set_permissions(sandbox.path("old"), fs::Permissions::from_mode(0o444)).unwrap();
    for output in ["old", "link"] {
        let line = format!("encode data.npy --model model -o {output} --engine cpu");
        sandbox.refuse(&line, &[output, "read-only"]);
        sandbox.refuse(&format!("fit data.npy --latent 2 -o {output}"), &[output, "read-only"]);
    }
}

/// The libraries that a run loads, by the dynamic linker's own list.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn loads_vulkan(sandbox: &Sandbox, engine: &str) -> bool {
    let line = format!("decode codes --model model -o out.npy --engine {engine}");
    let output = sandbox.command(&line).env("LD_DEBUG", "files").output().unwrap();
    String::from_utf8_lossy(&output.stderr).contains("libvulkan")
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn no_driver_is_loaded_without_need() {
    let sandbox = Sandbox::with_codes();
    assert!(loads_vulkan(&sandbox, "gpu"), "the linker's list shows no loading at all");
    assert!(!loads_vulkan(&sandbox, "cpu"));
    let beginnings = ["dri", "nvidia", "dxg", "kfd", "kgsl", "mali"];
    let devices = fs::read_dir("/dev").unwrap().flatten();
    let mut names = devices.map(|entry| entry.file_name().to_string_lossy().into_owned());
    if !names.any(|name| beginnings.iter().any(|begin| name.starts_with(begin))) {
        assert!(!loads_vulkan(&sandbox, "auto"));
    }
}

/// A driver's own messages are no messages of the program.
#[test]
fn drivers_stay_silent() {
    let sandbox = Sandbox::with_codes();
    let line = "decode codes --model model -o out.npy --engine gpu";
    let output = sandbox.command(line).env_remove("XDG_RUNTIME_DIR").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let expected = if output.status.success() { "out.npy: " } else { "error: " };
    assert!(stderr.starts_with(expected), "{stderr}");
}

/// By its number, and by a part of the name that the run before reported.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn a_gpu_is_chosen_by_number_and_by_name() {
    let sandbox = Sandbox::with_codes();
    sandbox.run("decode codes --model model -o expected.npy --engine cpu");
    let decode = |gpu: &str| {
        let output =
            sandbox.output(&format!("decode codes --model model -o out.npy --gpu {gpu} --json"));
        assert!(output.status.success(), "{output:?}");
        assert_eq!(sandbox.read("out.npy").len(), sandbox.read("expected.npy").len());
        let report = String::from_utf8(output.stdout).unwrap();
        report.split_once(",\"seconds\"").unwrap().0.to_owned()
    };
    let first = decode("0");
    let (_, engine) = first.split_once("\"engine\"").unwrap();
    // The name comes first: "llvmpipe (LLVM 15.0.6, 256 bits) (Vulkan, ...)".
    let name: String = engine.trim_start_matches([':', ' ', '"']).chars().take(5).collect();
    assert_eq!(decode(&name.to_uppercase()), first);
    assert!(decode("0,0").contains("2 GPUs, the first "), "two devices of one adapter");
    let wrong = ["77", "nonesuch"];
    for gpu in wrong {
        let line = format!("decode codes --model model -o out.npy --gpu {gpu}");
        sandbox.refuse(&line, &[gpu, "found: 0 ", "number", "--engine cpu"]);
    }
    sandbox.refuse(
        "decode codes --model model -o out.npy --gpu 0 --engine cpu",
        &["--gpu", "--engine cpu", "leave out"],
    );
}
