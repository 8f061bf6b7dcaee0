//! Parquet files of ids and embeddings.

use std::error::Error;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;

const BATCH_ROWS: usize = 1 << 13;

/// Writes a file of rows with these ids. `rows`, `[rows, dim]`, are repeated as often as needed.
pub fn write(
    path: impl AsRef<Path>,
    ids: Range<usize>,
    rows: &[f32],
    dim: usize,
) -> Result<(), Box<dyn Error>> {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("embedding", DataType::FixedSizeList(item.clone(), dim as i32), false),
    ]));
    // As a file of floats is written best: they neither repeat nor compress.
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema.clone(), Some(properties))?;
    let mut values = rows.iter().cycle().copied();
    for first in ids.clone().step_by(BATCH_ROWS) {
        let len = BATCH_ROWS.min(ids.end - first);
        let ids = Int64Array::from_iter_values(first as i64..(first + len) as i64);
        let values = Float32Array::from_iter_values(values.by_ref().take(len * dim));
        let lists = FixedSizeListArray::new(item.clone(), dim as i32, Arc::new(values), None);
        let columns = vec![Arc::new(ids) as _, Arc::new(lists) as _];
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    writer.close()?;
    Ok(())
}
