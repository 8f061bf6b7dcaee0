//! Reads the rows of a data file as `f32`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::cells::Cells;
use super::input::{self, Input, Opened};
use super::{Format, Layout, blocks, npy, npz, vecs};
use crate::error::{CliError, Result};
use crate::output;
use crate::progress::Progress;

/// A data file whose header has been checked against its length.
pub struct DataReader {
    /// The file, or a copy of what came through a pipe or was compressed.
    file: File,
    path: PathBuf,
    format: Format,
    layout: Layout,
    row_bytes: usize,
    /// Rows before their conversion. The items keep the bytes aligned.
    unconverted: Vec<u64>,
}

impl DataReader {
    /// Opens a data file, a pipe or the standard input. `tensor` names one of several tensors or
    /// arrays.
    pub fn open(path: &Path, tensor: Option<&str>) -> Result<Self> {
        let (file, format, layout) = match input::open(path)? {
            Opened::File(mut file, file_bytes) => match Format::of(path)? {
                Format::Npz => {
                    let (file, layout) = npz::open(path, file, file_bytes, tensor)?;
                    (file, Format::Npz, layout)
                }
                format => {
                    let mut input = Input::new(path, &mut file, Some(file_bytes));
                    let name = npy::python_string(&path.display().to_string());
                    let layout =
                        format.layout(&mut input, &format!("numpy.load({name})"), tensor)?;
                    layout.check(&input)?;
                    drop(input);
                    (file, format, layout)
                }
            },
            Opened::Pipe(reader) => {
                let mut input = Input::new(path, reader, None);
                let format = Format::of_pipe(path, &mut input)?;
                let layout = format.layout(&mut input, "array", tensor)?;
                let (file, layout) = spool(&mut input, layout)?;
                (file, format, layout)
            }
        };
        let row_bytes = layout.row_bytes().unwrap_or(0);
        let path = path.to_path_buf();
        Ok(Self { file, path, format, layout, row_bytes, unconverted: Vec::new() })
    }

    /// Opens data that a command computes with, and says on stderr if it is converted.
    pub fn open_noted(path: &Path, tensor: Option<&str>) -> Result<Self> {
        let data = Self::open(path, tensor)?;
        let cells = data.layout.cells;
        if cells.are_converted() {
            output::note(&format!("{}: its {cells} values are converted to f32", path.display()));
        }
        Ok(data)
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

    /// Bytes per row of the values alone.
    pub fn value_bytes(&self) -> usize {
        self.layout.dim * self.layout.cells.kind.bytes()
    }

    /// Fails if there are no rows.
    pub fn expect_rows(&self) -> Result<()> {
        match self.layout.rows {
            0 => Err(CliError::file(&self.path, "holds 0 rows: pass at least one row")),
            _ => Ok(()),
        }
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
        let progress = Progress::rows("reading", rows, self.row_bytes);
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
        // One row may be long, and a conversion needs at most a block at once.
        let dim = self.layout.dim;
        let rows = first_row..first_row + out.len() / dim;
        for range in blocks(rows, dim) {
            let out = &mut out[(range.start - first_row) * dim..(range.end - first_row) * dim];
            self.read_block(range.start, out)?;
        }
        Ok(())
    }

    fn read_block(&mut self, first_row: usize, out: &mut [f32]) -> Result<()> {
        let Layout { dim, cells, start, counted, .. } = self.layout;
        let offset = start + first_row as u64 * self.row_bytes as u64;
        let io = |e| CliError::io(&self.path, e);
        self.file.seek(SeekFrom::Start(offset)).map_err(io)?;
        if cells == Cells::F32 && !counted {
            return self.file.read_exact(bytemuck::cast_slice_mut(out)).map_err(io);
        }
        let bytes = out.len() / dim * self.row_bytes;
        self.unconverted.resize(bytes.div_ceil(size_of::<u64>()), 0);
        let bytes = &mut bytemuck::cast_slice_mut(&mut self.unconverted)[..bytes];
        self.file.read_exact(bytes).map_err(io)?;
        let beyond = |(at, value): (usize, f64)| {
            let detail = format!(
                "row {}, column {} is {value:e}, beyond the range of f32: scale the row down",
                first_row + at / dim,
                at % dim
            );
            CliError::file(&self.path, detail)
        };
        if !counted {
            return cells.convert(bytes, out).map_err(beyond);
        }
        let rows = bytes.chunks_exact_mut(self.row_bytes).zip(out.chunks_exact_mut(dim));
        for (at, (row, out)) in rows.enumerate() {
            let (count, values) = row.split_at_mut(vecs::COUNT_BYTES);
            vecs::check_count(&self.path, first_row + at, count, dim)?;
            cells.convert(values, out).map_err(beyond)?;
        }
        Ok(())
    }
}

/// Copies what follows the header, and returns the layout of the copy.
pub(super) fn spool(input: &mut Input<'_>, mut layout: Layout) -> Result<(File, Layout)> {
    let expected = layout.check(input)?;
    let header_bytes = input.position();
    let file = input.spool(expected)?;
    // The rows lie behind the header, and so does the copy begin.
    layout.start = layout.start.saturating_sub(header_bytes);
    Ok((file, layout))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for (name, row) in [("x.fbin", [1.0f32, 2.0]), ("x.fvecs", [f32::from_bits(1), 2.0])] {
            let path = folder.path().join(name);
            // A row of .fvecs is the number 1 and a value. A row of .fbin is two values.
            let front: &[u32] = if name == "x.fbin" { &[3, 2] } else { &[] };
            let rows: Vec<f32> = row.repeat(3);
            let bytes = [bytemuck::cast_slice(front), bytemuck::cast_slice::<f32, u8>(&rows)];
            std::fs::write(&path, bytes.concat()).unwrap();
            let mut data = DataReader::open(&path, None).unwrap();
            assert_eq!(data.row_count(), 3);
            let mut values = Vec::new();
            data.read(0..3, &mut values).unwrap();
            assert_eq!(values.last(), Some(&2.0));
            OpenOptions::new().write(true).open(&path).unwrap().set_len(20).unwrap();
            let error = data.read(0..3, &mut values).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("ended while it was read"), "{error}");
        }
    }
}
