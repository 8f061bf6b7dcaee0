//! Columns of Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::extension::ExtensionType as _;
use arrow_schema::{DataType, Field, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;
use vecodec::data::{Kind, Sample, random_rows};
use vecodec_arrow::{CodesType, Embeddings, Values};

use super::ends_so;
use crate::error::{CliError, Result};

/// Rows that are read, encoded and written at a time.
const BATCH_ROWS: usize = 1 << 14;

/// Parquet files of one schema, in the order of their names.
pub struct Files {
    /// As the command line names them.
    path: PathBuf,
    files: Vec<PathBuf>,
    /// The rows of each.
    row_counts: Vec<usize>,
    schema: SchemaRef,
    /// The index of the chosen column.
    column: usize,
}

/// Some rows of a file.
pub struct Batch {
    /// The number of the first row, counted over all files.
    pub first: usize,
    pub batch: RecordBatch,
}

impl Files {
    /// Opens files of embeddings: the column of this name, or else the only one of lists of floating-point numbers.
    pub fn of_embeddings(path: &Path, column: Option<&str>) -> Result<Self> {
        let is_list =
            |field: &Field| list_item(field.data_type()).is_some_and(DataType::is_floating);
        Self::open(path, column, "of lists of floating-point numbers", is_list)
    }

    /// Opens files of codes: the column of this name, or else the only one of codes.
    pub fn of_codes(path: &Path, column: Option<&str>) -> Result<Self> {
        let is_codes = |field: &Field| field.extension_type_name() == Some(CodesType::NAME);
        Self::open(path, column, "of codes that `vecodec encode` wrote", is_codes)
    }

    fn open(
        path: &Path,
        column: Option<&str>,
        what: &str,
        serves: impl Fn(&Field) -> bool,
    ) -> Result<Self> {
        let files = list(path)?;
        let mut row_counts = Vec::with_capacity(files.len());
        let mut schema: Option<SchemaRef> = None;
        for file in &files {
            let reader = builder(file, PageIndexPolicy::Skip)?;
            let rows = reader.metadata().file_metadata().num_rows();
            row_counts.push(usize::try_from(rows).unwrap_or(0));
            match &schema {
                None => schema = Some(reader.schema().clone()),
                Some(first) if first.fields() == reader.schema().fields() => {}
                Some(_) => {
                    let detail = format!(
                        "has other columns than {}: pass files of one schema",
                        files[0].display()
                    );
                    return Err(CliError::file(file, detail));
                }
            }
        }
        let Some(schema) = schema else {
            return Err(CliError::file(path, "names no Parquet file: check the path"));
        };
        let names = || {
            schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
        };
        let column = match column {
            Some(name) => schema.index_of(name).map_err(|_| {
                let detail =
                    format!("has no column {name:?}; found: {}: pass one of them", names());
                CliError::file(&files[0], detail)
            })?,
            None => {
                let serving: Vec<usize> =
                    (0..schema.fields().len()).filter(|at| serves(schema.field(*at))).collect();
                let &[only] = &serving[..] else {
                    let detail = format!(
                        "has {} columns {what}; found: {}: choose one with --column",
                        serving.len(),
                        names()
                    );
                    return Err(CliError::file(&files[0], detail));
                };
                only
            }
        };
        Ok(Self { path: path.to_path_buf(), files, row_counts, schema, column })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn paths(&self) -> Vec<&Path> {
        self.files.iter().map(PathBuf::as_path).collect()
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn row_count(&self) -> usize {
        self.row_counts.iter().sum()
    }

    /// The index of the chosen column.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The field of the chosen column.
    pub fn field(&self) -> &Field {
        self.schema.field(self.column)
    }

    /// What values the lists of the chosen column have.
    pub fn kind(&self) -> Kind {
        match list_item(self.field().data_type()) {
            Some(DataType::Float16) => Kind::F16,
            Some(DataType::Float64) => Kind::F64,
            _ => Kind::F32,
        }
    }

    /// Values of a row of the chosen column of lists: those of the first row that is not null, if the type does not say.
    pub fn dim(&self) -> Result<usize> {
        if let DataType::FixedSizeList(_, len) = self.field().data_type() {
            return Ok(*len as usize);
        }
        for batch in self.batches() {
            let column = batch?.batch.column(self.column).clone();
            let row = (0..column.len()).find(|row| column.is_valid(*row));
            if let Some(row) = row {
                let row = column.slice(row, 1);
                return match (row.as_list_opt::<i32>(), row.as_list_opt::<i64>()) {
                    (Some(list), _) => Ok(list.value(0).len()),
                    (_, Some(list)) => Ok(list.value(0).len()),
                    _ => Err(self.error(format!(
                        "column {:?} is {}: choose one of lists of floating-point numbers with --column",
                        self.field().name(),
                        row.data_type()
                    ))),
                };
            }
        }
        Err(self.error("has no row that is not null: pass at least one"))
    }

    /// All rows, batch by batch.
    pub fn batches(&self) -> impl Iterator<Item = Result<Batch>> {
        let mut first = 0;
        self.files.iter().flat_map(|file| opened(file, None)).map(move |batch| {
            let batch = batch?;
            let found = Batch { first, batch };
            first += found.batch.num_rows();
            Ok(found)
        })
    }

    /// At most `max_rows` rows of embeddings, drawn at random from more; rows that are null are left out. Pages without
    /// a chosen row are not read.
    pub fn sample(&self, dim: usize, max_rows: usize, seed: u64) -> Result<Sample> {
        let chosen = random_rows(self.row_count(), max_rows, seed);
        let (mut values, mut numbers) = (Vec::new(), Vec::new());
        let (mut first, mut next) = (0, 0);
        for (file, &rows) in self.files.iter().zip(&self.row_counts) {
            let end = next + chosen[next..].partition_point(|row| *row < first + rows);
            let of_file = &chosen[next..end];
            let ranges = of_file.iter().map(|row| row - first..row - first + 1);
            let selection = RowSelection::from_consecutive_ranges(ranges, rows);
            for batch in opened(file, Some((self.column, selection))) {
                let column: ArrayRef = batch?.column(0).clone();
                let read = &chosen[next..next + column.len()];
                let in_files = |error: vecodec_arrow::Error| {
                    let skipped = error.row().map_or(0, |row| read[row] - row);
                    self.error(error.with_row_offset(skipped).to_string())
                };
                let embeddings =
                    Embeddings::new(self.field().name(), &column, dim).map_err(in_files)?;
                match embeddings.values().map_err(in_files)? {
                    Values::F32(found) => values.extend_from_slice(&found),
                    Values::F16(found) => values.extend(found.iter().map(|value| value.to_f32())),
                }
                numbers.extend(embeddings.rows().iter().map(|row| read[*row]));
                next += column.len();
            }
            (first, next) = (first + rows, end);
        }
        Ok(Sample { values, numbers: Some(numbers) })
    }

    /// An error of these files.
    pub fn error(&self, detail: impl Into<String>) -> CliError {
        CliError::file(&self.path, detail)
    }
}

/// The files that a path names: one, all of a folder, or those of a pattern.
fn list(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files: Vec<PathBuf> = if path.is_dir() {
        let entries = path.read_dir().map_err(|error| CliError::io(path, error))?;
        entries.flatten().map(|entry| entry.path()).filter(|file| ends_so(file)).collect()
    } else {
        let pattern = glob::glob(&path.to_string_lossy());
        let pattern =
            pattern.map_err(|error| CliError::file(path, format!("{error}: check the pattern")))?;
        pattern.flatten().filter(|file| file.is_file()).collect()
    };
    files.sort();
    Ok(files)
}

/// What lists of this type are of, if it is one of lists.
fn list_item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

fn builder(file: &Path, pages: PageIndexPolicy) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let opened = File::open(file).map_err(|error| CliError::io(file, error))?;
    let options = ArrowReaderOptions::new().with_page_index_policy(pages);
    ParquetRecordBatchReaderBuilder::try_new_with_options(opened, options)
        .map_err(|error| CliError::file(file, format!("{error}: pass a Parquet file")))
}

/// The batches of a file: of all columns, or of the chosen rows of one.
fn opened(
    file: &Path,
    chosen: Option<(usize, RowSelection)>,
) -> Box<dyn Iterator<Item = Result<RecordBatch>> + '_> {
    let reader = || -> Result<ParquetRecordBatchReader> {
        // The index of pages, where there is one, says which pages a sample does not need.
        let pages =
            if chosen.is_some() { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
        let mut builder = builder(file, pages)?.with_batch_size(BATCH_ROWS);
        if let Some((column, rows)) = chosen {
            let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
            builder = builder.with_projection(mask).with_row_selection(rows);
        }
        builder.build().map_err(|error| CliError::file(file, error.to_string()))
    };
    match reader() {
        Ok(reader) => {
            let in_file = |error: arrow_schema::ArrowError| {
                CliError::file(file, format!("{error}: write it again"))
            };
            Box::new(reader.map(move |batch| batch.map_err(in_file)))
        }
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}
