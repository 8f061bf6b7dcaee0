//! The data set: seeded rows of a few strong directions.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;

use super::Error;

pub const DIM: usize = 128;
pub const FILES: usize = 16;
pub const ROWS: usize = FILES * FILE_ROWS;
const FILE_ROWS: usize = 8_000;

pub fn rows() -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..ROWS * DIM).map(|at| uniform() / (1 + at % DIM) as f32).collect()
}

/// Writes the rows as files of a folder, with their numbers as ids.
pub fn write(folder: &str, rows: &[f32]) -> Result<(), Error> {
    std::fs::create_dir(folder)?;
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("embedding", DataType::FixedSizeList(item.clone(), DIM as i32), false),
    ]));
    for (number, rows) in rows.chunks(FILE_ROWS * DIM).enumerate() {
        let first = (number * FILE_ROWS) as i64;
        let ids = Int64Array::from_iter_values(first..first + FILE_ROWS as i64);
        let values = Arc::new(Float32Array::from(rows.to_vec()));
        let lists = FixedSizeListArray::new(item.clone(), DIM as i32, values, None);
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(ids), Arc::new(lists)])?;
        let file = File::create(Path::new(folder).join(format!("{number:02}.parquet")))?;
        let mut writer = ArrowWriter::try_new(file, schema.clone(), None)?;
        writer.write(&batch)?;
        writer.close()?;
    }
    Ok(())
}
