//! Parquet files that appear whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use vecodec::NewFile;

use crate::error::{CliError, Result};

/// Bytes of a data page: rows that are drawn at random are read page by page.
const PAGE_BYTES: usize = 256 << 10;

/// A file that is written batch by batch.
pub struct Writer {
    path: PathBuf,
    writer: ArrowWriter<Sink>,
}

/// The new file as a writer of bytes.
struct Sink(NewFile);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writer {
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_enabled(false)
            .set_data_page_size_limit(PAGE_BYTES)
            .build();
        let sink = Sink(NewFile::create(path)?);
        let writer = ArrowWriter::try_new(sink, schema, Some(properties))
            .map_err(|error| CliError::file(path, error.to_string()))?;
        Ok(Self { path: path.to_path_buf(), writer })
    }

    pub fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| CliError::file(&self.path, error.to_string()))
    }

    pub fn finish(self) -> Result<()> {
        let sink = self.writer.into_inner();
        let sink = sink.map_err(|error| CliError::file(&self.path, error.to_string()))?;
        Ok(sink.0.finish()?)
    }
}
