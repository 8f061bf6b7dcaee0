//! Reads the rows of a data file as `f32`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::cells::Cells;
use super::format::Format;
use super::input::{self, Input, Opened};
use super::layout::{COUNT_BYTES, Layout, block_rows, blocks, spool};
use super::{npy, npz, vecs};
use crate::error::{Error, Result};
use crate::sample::random_rows;

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

/// Rows of a file in memory.
pub struct Sample {
    /// `[rows, dim]`
    pub values: Vec<f32>,
    /// The numbers in the file of these rows; none where they are all of its rows.
    pub numbers: Option<Vec<usize>>,
}

impl Sample {
    /// The number in the file of a row.
    pub fn number(&self, row: usize) -> usize {
        self.numbers.as_ref().map_or(row, |numbers| numbers[row])
    }
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

    /// Number of rows.
    pub fn row_count(&self) -> usize {
        self.layout.rows
    }

    /// Values per row.
    pub fn dim(&self) -> usize {
        self.layout.dim
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format of the file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The type of the values.
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
            0 => Err(Error::format(&self.path, "holds 0 rows: pass at least one row")),
            _ => Ok(()),
        }
    }

    /// Reads some rows into a buffer and sets the length of the buffer.
    pub fn read(&mut self, range: Range<usize>, rows: &mut Vec<f32>) -> Result<()> {
        rows.resize(range.len() * self.layout.dim, 0.0);
        self.read_into(range.start, rows)
    }

    /// Reads at most `max_rows` rows into memory, drawn at random from more. `progress` is called with the
    /// number of rows of each block that was read, and its error ends the reading.
    pub fn sample(
        &mut self,
        max_rows: usize,
        seed: u64,
        progress: impl FnMut(usize) -> Result<()>,
    ) -> Result<Sample> {
        let rows = self.layout.rows;
        if rows <= max_rows {
            let values = self.read_numbers(0..rows, rows, progress)?;
            return Ok(Sample { values, numbers: None });
        }
        let numbers = random_rows(rows, max_rows, seed);
        let values = self.read_numbers(numbers.iter().copied(), max_rows, progress)?;
        Ok(Sample { values, numbers: Some(numbers) })
    }

    /// Reads rows into memory, by their numbers in ascending order.
    pub fn read_rows(&mut self, numbers: &[usize]) -> Result<Vec<f32>> {
        self.read_numbers(numbers.iter().copied(), numbers.len(), |_| Ok(()))
    }

    /// Reads `count` rows into memory, by their numbers in ascending order.
    fn read_numbers(
        &mut self,
        numbers: impl Iterator<Item = usize>,
        count: usize,
        mut progress: impl FnMut(usize) -> Result<()>,
    ) -> Result<Vec<f32>> {
        let dim = self.layout.dim;
        let mut values = self.buffer(count)?;
        let mut rest = values.as_mut_slice();
        let block = block_rows(dim);
        let mut numbers = numbers.peekable();
        while let Some(first) = numbers.next() {
            // A run of neighbouring rows.
            let mut run = 1;
            while run < block && numbers.next_if_eq(&(first + run)).is_some() {
                run += 1;
            }
            let (rows, after) = rest.split_at_mut(run * dim);
            self.read_into(first, rows)?;
            rest = after;
            progress(run)?;
        }
        Ok(values)
    }

    /// Memory for rows, or an error if there is too little.
    fn buffer(&self, rows: usize) -> Result<Vec<f32>> {
        let (dim, mut values) = (self.layout.dim, Vec::new());
        let fits = rows.checked_mul(dim).filter(|len| values.try_reserve_exact(*len).is_ok());
        let Some(len) = fits else {
            let detail = format!("{rows} rows of {dim} values exceed the memory: pass fewer rows");
            return Err(Error::format(&self.path, detail));
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
        let io = |e| Error::io(&self.path, e);
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
            Error::format(&self.path, detail)
        };
        if !counted {
            return cells.convert(bytes, out).map_err(beyond);
        }
        let rows = bytes.chunks_exact_mut(self.row_bytes).zip(out.chunks_exact_mut(dim));
        for (at, (row, out)) in rows.enumerate() {
            let (count, values) = row.split_at_mut(COUNT_BYTES);
            vecs::check_count(&self.path, first_row + at, count, dim)?;
            cells.convert(values, out).map_err(beyond)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::ErrorKind;

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
            let error = data.read(0..3, &mut values).unwrap_err();
            let Error::Io { path, source, .. } = error else { panic!("{name}: {error}") };
            assert!(path.ends_with(name) && source.kind() == ErrorKind::UnexpectedEof, "{source}");
        }
    }
}
