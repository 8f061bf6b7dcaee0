//! Data files: rows of `f32` or `f16`, read and written block by block.

mod fvecs;
mod npy;
pub mod tensors;
mod writer;

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt as _;

pub use writer::DataWriter;

use crate::error::{CliError, Result};
use crate::progress::Progress;

/// Bytes of the `f32` rows of a block: enough to keep an engine busy, and small beside the memory
/// of any machine.
const BLOCK_BYTES: usize = 16 << 20;

/// The format of a data file, given by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Npy,
    Fvecs,
    Safetensors,
}

impl Format {
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("npy") => Ok(Self::Npy),
            Some("fvecs") => Ok(Self::Fvecs),
            Some("safetensors") => Ok(Self::Safetensors),
            other => {
                let found = other.map_or("no extension".to_owned(), |e| format!("extension .{e}"));
                let detail = format!("has {found}: data files are .npy, .fvecs or .safetensors");
                Err(CliError::file(path, detail))
            }
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Npy => "npy",
            Self::Fvecs => "fvecs",
            Self::Safetensors => "safetensors",
        })
    }
}

/// How the values of a row are stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    F32,
    F16,
    /// The length of the row as `i32`, and then the values as `f32`.
    CountedF32,
}

impl Cells {
    fn row_bytes(self, dim: usize) -> Option<usize> {
        match self {
            Self::F32 => dim.checked_mul(4),
            Self::F16 => dim.checked_mul(2),
            Self::CountedF32 => dim.checked_mul(4)?.checked_add(4),
        }
    }
}

impl fmt::Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::F16 { "f16" } else { "f32" })
    }
}

/// The contents of a header.
struct Layout {
    rows: usize,
    dim: usize,
    cells: Cells,
    /// Where the first row begins.
    start: u64,
}

/// A data file whose header has been checked against its length.
pub struct DataReader {
    file: File,
    path: PathBuf,
    format: Format,
    layout: Layout,
    row_bytes: usize,
    /// The f16 values of a block before their conversion, and the values of a block with row
    /// lengths.
    halves: Vec<f16>,
    counted: Vec<f32>,
}

impl DataReader {
    pub fn open(path: &Path) -> Result<Self> {
        let (mut file, file_bytes) = open(path)?;
        let format = Format::of(path)?;
        let layout = match format {
            Format::Npy => npy::layout(path, &mut file, file_bytes)?,
            Format::Fvecs => fvecs::layout(path, &mut file, file_bytes)?,
            Format::Safetensors => tensors::layout(path, &mut file, file_bytes)?,
        };
        let Layout { rows, dim, cells, start } = layout;
        if rows == 0 || dim == 0 {
            let detail = format!("holds {rows} rows of {dim} values: pass at least one of each");
            return Err(CliError::file(path, detail));
        }
        // A file must have the size that its header claims before memory is allocated for it.
        let row_bytes = cells.row_bytes(dim);
        let expected = row_bytes
            .and_then(|row| (rows as u64).checked_mul(row as u64))
            .and_then(|data| data.checked_add(start));
        let holds = match format {
            // Further tensors may follow; the format's own check has covered them.
            Format::Safetensors => expected.is_some_and(|bytes| bytes <= file_bytes),
            Format::Npy | Format::Fvecs => expected == Some(file_bytes),
        };
        match row_bytes.filter(|_| holds) {
            Some(row_bytes) => Ok(Self {
                file,
                path: path.to_path_buf(),
                format,
                layout,
                row_bytes,
                halves: Vec::new(),
                counted: Vec::new(),
            }),
            None => {
                let expected = expected.map_or("over 2^64".to_owned(), |bytes| bytes.to_string());
                let detail = format!(
                    "{rows} rows of {dim} {cells} values take {expected} bytes, and the file has \
                     {file_bytes}: it was cut off or appended to, so write it again"
                );
                Err(CliError::file(path, detail))
            }
        }
    }

    pub fn row_count(&self) -> usize {
        self.layout.rows
    }

    pub fn dim(&self) -> usize {
        self.layout.dim
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn cells(&self) -> Cells {
        self.layout.cells
    }

    /// Bytes per row in the file.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Reads some rows into a buffer and sets the length of the buffer.
    pub fn read(&mut self, range: Range<usize>, rows: &mut Vec<f32>) -> Result<()> {
        rows.resize(range.len() * self.layout.dim, 0.0);
        self.read_into(range.start, rows)
    }

    /// Reads all rows of the file into memory.
    pub fn read_all(&mut self) -> Result<Vec<f32>> {
        let (rows, dim) = (self.layout.rows, self.layout.dim);
        let mut values = self.buffer(rows)?;
        let progress = Progress::vectors("reading", rows);
        for range in blocks(0..rows, dim) {
            self.read_into(range.start, &mut values[range.start * dim..range.end * dim])?;
            progress.add(range.len());
        }
        Ok(values)
    }

    /// Reads some rows of the file into memory, by their numbers in ascending order.
    pub fn read_rows(&mut self, numbers: &[usize]) -> Result<Vec<f32>> {
        let dim = self.layout.dim;
        let mut values = self.buffer(numbers.len())?;
        let mut rest = values.as_mut_slice();
        for run in numbers.chunk_by(|a, b| a + 1 == *b) {
            let (rows, after) = rest.split_at_mut(run.len() * dim);
            self.read_into(run[0], rows)?;
            rest = after;
        }
        Ok(values)
    }

    /// Memory for rows, or an error if there is too little.
    fn buffer(&self, rows: usize) -> Result<Vec<f32>> {
        let (dim, mut values) = (self.layout.dim, Vec::new());
        let fits = rows.checked_mul(dim).filter(|len| values.try_reserve_exact(*len).is_ok());
        let Some(len) = fits else {
            let detail = format!("{rows} rows of {dim} values exceed the memory: pass fewer rows");
            return Err(CliError::file(&self.path, detail));
        };
        values.resize(len, 0.0);
        Ok(values)
    }

    fn read_into(&mut self, first_row: usize, out: &mut [f32]) -> Result<()> {
        let Layout { dim, cells, start, .. } = self.layout;
        let offset = start + first_row as u64 * self.row_bytes as u64;
        let io = |e| CliError::io(&self.path, e);
        self.file.seek(SeekFrom::Start(offset)).map_err(io)?;
        match cells {
            Cells::F32 => self.file.read_exact(bytemuck::cast_slice_mut(out)).map_err(io),
            Cells::F16 => {
                self.halves.resize(out.len(), f16::ZERO);
                let bytes = bytemuck::cast_slice_mut(&mut self.halves);
                self.file.read_exact(bytes).map_err(io)?;
                self.halves.convert_to_f32_slice(out);
                Ok(())
            }
            Cells::CountedF32 => {
                self.counted.resize(out.len() / dim * (dim + 1), 0.0);
                let bytes = bytemuck::cast_slice_mut(&mut self.counted);
                self.file.read_exact(bytes).map_err(io)?;
                fvecs::strip_counts(&self.path, first_row, &self.counted, dim, out)
            }
        }
    }
}

/// Opens a regular file. Other files have no length to compare a header with.
fn open(path: &Path) -> Result<(File, u64)> {
    let metadata = fs::metadata(path).map_err(|e| CliError::io(path, e))?;
    if !metadata.is_file() {
        return Err(CliError::file(path, "is no regular file: save the data to one first"));
    }
    let file = File::open(path).map_err(|e| CliError::io(path, e))?;
    Ok((file, metadata.len()))
}

/// Divides rows into blocks.
pub fn blocks(rows: Range<usize>, dim: usize) -> impl Iterator<Item = Range<usize>> {
    let block = (BLOCK_BYTES / size_of::<f32>() / dim.max(1)).max(1);
    let end = rows.end;
    rows.step_by(block).map(move |start| start..end.min(start + block))
}
