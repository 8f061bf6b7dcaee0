//! Opens data files for the commands that compute with them, and reads them with a progress bar.

use std::path::Path;

use vecodec::data::{DataReader, Sample};

use crate::error::Result;
use crate::output;
use crate::progress::Progress;

/// Opens a data file, and says on stderr if its values are converted.
pub fn open(path: &Path, tensor: Option<&str>) -> Result<DataReader> {
    let data = DataReader::open(path, tensor)?;
    let cells = data.cells();
    if cells.are_converted() {
        output::note(&format!("{}: its {cells} values are converted to f32", path.display()));
    }
    Ok(data)
}

/// Reads at most `max_rows` rows, drawn at random from more.
pub fn sample(data: &mut DataReader, max_rows: usize, seed: u64) -> Result<Sample> {
    let rows = data.row_count().min(max_rows);
    let progress = Progress::rows("reading", rows, data.row_bytes());
    let sample = data.sample(max_rows, seed, |rows| {
        progress.add(rows);
        Ok(())
    });
    Ok(sample?)
}
