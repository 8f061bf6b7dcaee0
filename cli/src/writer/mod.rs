//! A data file that decoded rows are written to.

mod arrays;
mod headers;

use std::io::{self, StdoutLock, Write as _};
use std::path::Path;

pub use arrays::write_arrays;

use vecodec::NewFile;
use vecodec::data::{Format, Kind, STDIN};

use crate::error::{CliError, Result};

/// The type of the values that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ValueType {
    /// Four bytes per value
    #[default]
    F32,
    /// Two bytes per value, for .npy and .safetensors
    F16,
}

impl ValueType {
    /// The name of the type in messages and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::F16 => size_of::<half::f16>(),
        }
    }
}

/// Where the bytes go.
enum Sink {
    /// A file that gets its name when it is finished. Dropping it earlier deletes it.
    File(NewFile),
    Stdout(StdoutLock<'static>),
}

/// A data file that is written from its front.
pub struct DataWriter {
    sink: Sink,
    dim: usize,
    /// What each row begins with.
    count: Option<[u8; 4]>,
    /// Values that are still to come.
    missing: usize,
}

impl DataWriter {
    /// Begins a file of `rows` rows. Its name decides its format; `-` is .npy on the standard output.
    pub fn create(path: &Path, rows: usize, dim: usize, value_type: ValueType) -> Result<Self> {
        let format = match path.as_os_str() == STDIN {
            true => Format::Npy,
            false => Format::of(path)?,
        };
        let header = match format {
            Format::Npy => Some(headers::npy(rows, dim, headers::descr(value_type))),
            Format::Safetensors => headers::safetensors(rows, dim, value_type),
            Format::Vecs(Kind::F32) | Format::Bin(Kind::F32) if value_type == ValueType::F16 => {
                let detail = format!(".{format} holds f32 values: leave out --dtype f16");
                return Err(CliError::file(path, detail));
            }
            Format::Vecs(Kind::F32) => i32::try_from(dim).ok().map(|_| Vec::new()),
            Format::Bin(Kind::F32) => headers::bins(rows, dim),
            _ => {
                let detail = format!(
                    ".{format} is read but not written: name it .npy, .safetensors, .fvecs or .fbin"
                );
                return Err(CliError::file(path, detail));
            }
        };
        let (Some(header), Some(missing)) = (header, rows.checked_mul(dim)) else {
            let detail =
                format!("{rows} rows of {dim} values exceed a .{format} file: write fewer");
            return Err(CliError::file(path, detail));
        };
        let count = matches!(format, Format::Vecs(_)).then(|| (dim as i32).to_le_bytes());
        let sink = match path.as_os_str() == STDIN {
            true => Sink::Stdout(io::stdout().lock()),
            false => Sink::File(NewFile::create(path)?),
        };
        let mut writer = Self { sink, dim, count, missing };
        writer.write(&header)?;
        Ok(writer)
    }

    /// Appends whole rows of f32 or f16, as the file was begun.
    pub fn append<T: bytemuck::Pod>(&mut self, rows: &[T]) -> Result<()> {
        self.missing = self
            .missing
            .checked_sub(rows.len())
            .ok_or_else(|| self.bad("more rows were written than its header has"))?;
        let Some(count) = self.count else {
            return self.write(bytemuck::cast_slice(rows));
        };
        let rows = rows.chunks_exact(self.dim);
        let bytes: Vec<u8> =
            rows.flat_map(|row| [&count, bytemuck::cast_slice(row)]).flatten().copied().collect();
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.sink {
            Sink::File(file) => Ok(file.append(bytes)?),
            Sink::Stdout(stdout) => stdout.write_all(bytes).map_err(CliError::stdout),
        }
    }

    fn bad(&self, detail: &str) -> CliError {
        match &self.sink {
            Sink::File(file) => CliError::file(file.path(), detail),
            Sink::Stdout(_) => CliError::file(Path::new(STDIN), detail),
        }
    }

    /// Completes the output. A file is renamed to its final name, which replaces an older file of this
    /// name.
    pub fn finish(self) -> Result<()> {
        if self.missing != 0 {
            return Err(self.bad("fewer rows were written than its header has"));
        }
        match self.sink {
            Sink::File(file) => Ok(file.finish()?),
            Sink::Stdout(mut stdout) => stdout.flush().map_err(CliError::stdout),
        }
    }
}
