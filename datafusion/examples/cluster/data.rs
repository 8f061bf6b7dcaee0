//! The data set: seeded rows of a few strong directions.

use std::path::Path;

use super::{Error, floats};

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
    for (number, rows) in rows.chunks(FILE_ROWS * DIM).enumerate() {
        let first = number * FILE_ROWS;
        let file = Path::new(folder).join(format!("{number:02}.parquet"));
        floats::write(file, first..first + FILE_ROWS, rows, DIM)?;
    }
    Ok(())
}
