//! A folder to run the program in, and data files written by hand.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::{fs, io};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tempfile::TempDir;

pub const DIM: usize = 12;
pub const LATENT: usize = 4;
pub const ROWS: usize = 90;

/// A folder of its own with a data file, to run the program in.
pub struct Sandbox(TempDir);

impl Sandbox {
    pub fn new() -> Self {
        let sandbox = Self(tempfile::tempdir().unwrap());
        sandbox.write("data.npy", npy("<f4", false, &[ROWS, DIM], &bytes(&rows(ROWS, DIM))));
        sandbox
    }

    /// A sandbox with a data file and a model of it.
    pub fn with_model() -> Self {
        let sandbox = Self::new();
        sandbox.run("fit data.npy --latent 4 -o model");
        sandbox
    }

    /// A sandbox with a data file, a model of it and its codes.
    pub fn with_codes() -> Self {
        let sandbox = Self::with_model();
        sandbox.run("encode data.npy --model model -o codes --engine cpu");
        sandbox
    }

    /// The names in the folder.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vecodec"));
        command.args(line.split(' ')).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub fn output(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it prints.
    pub fn run(&self, line: &str) -> String {
        let Output { status, stdout, stderr } = self.output(line);
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{line}: {status}: {stderr}");
        assert!(!stderr.contains('\r') && !stderr.contains('\x1b'), "a bar in a pipe: {stderr:?}");
        String::from_utf8(stdout).unwrap()
    }

    /// Runs a command that must fail. It must print one line with all `words` to stderr, print nothing
    /// to stdout, and leave the folder unchanged.
    pub fn refuse(&self, line: &str, words: &[&str]) {
        let contents = || self.names().into_iter().map(|n| (self.entry(&n), n));
        let before: Vec<_> = contents().collect();
        let Output { status, stdout, stderr } = self.output(line);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{line}: {stderr}");
        assert!(stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&stdout));
        assert!(stderr.starts_with("error: ") && stderr.ends_with('\n'), "{line}: {stderr:?}");
        assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{line}: {word:?} is not in {stderr}");
        }
        assert!(before.into_iter().eq(contents()), "{line}: the folder has changed");
    }

    fn entry(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }
}

/// Random values of mean 0. A seed gives the same values on every machine.
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Sums of uniform values, which are nearly normal.
    pub fn normals(&mut self, len: usize, deviation: f64) -> Vec<f32> {
        let mut uniform = || f64::from(self.0.next_u32()) / f64::from(u32::MAX) - 0.5;
        (0..len)
            .map(|_| (0..12).map(|_| uniform()).sum::<f64>() * deviation)
            .map(|v| v as f32)
            .collect()
    }
}

/// Rows with almost all variance in a few directions.
pub fn rows(rows: usize, dim: usize) -> Vec<f32> {
    let mut random = Random::new(71);
    let axes = random.normals(LATENT * dim, 0.3);
    let mut values = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let weights = random.normals(LATENT, 1.0);
        let noise = random.normals(dim, 0.01);
        values.extend(
            (0..dim).map(|i| {
                noise[i] + (0..LATENT).map(|a| weights[a] * axes[a * dim + i]).sum::<f32>()
            }),
        );
    }
    values
}

pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// A .npy file as NumPy writes it.
pub fn npy(descr: &str, fortran: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    npy_of(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}"), data)
}

/// A .npy file with any text as its header.
pub fn npy_of(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((padded as u16).to_le_bytes());
    file.extend(format!("{header:<0$}\n", padded - 1).bytes());
    file.extend(data);
    file
}

pub fn fvecs(values: &[f32], dim: usize) -> Vec<u8> {
    let row = |row: &[f32]| [&(dim as i32).to_le_bytes(), bytes(row).as_slice()].concat();
    values.chunks(dim).flat_map(row).collect()
}

pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend(data);
    file
}

pub fn tensor(dtype: &str, shape: &[usize], begin: usize, end: usize) -> String {
    format!(r#"{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#)
}
