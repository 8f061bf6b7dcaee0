//! Fits of data files, which may be larger than the memory.

use std::path::Path;

use super::super::{Model, ModelConfig};
use super::{FitOptions, FitReport};
use crate::data::DataReader;
use crate::error::{Error, Result};

impl Model {
    /// Fits a model to the rows of a data file as [`fit_with`](Self::fit_with) does. It reads a random
    /// sample of the rows in one pass, and holds nothing else of the file: 200,000 rows, or those of
    /// [`FitOptions::with_sample`]. The same seed gives the same sample on every machine. `rows` of the report
    /// is the number of rows in the file.
    ///
    /// Files are .npy, .npz, .safetensors, .fvecs, .bvecs, .fbin, .u8bin or .i8bin. Values of f16, bf16,
    /// f64, i8 or u8 are converted to f32. [`FitOptions::with_tensor`] chooses one of several tensors or
    /// arrays. `-` and pipes are copied to a temporary file first.
    ///
    /// ```
    /// use vecodec::{FitOptions, Model, ModelConfig};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("rows.fvecs");
    /// # let row = |i: u32| [4u32.to_le_bytes(), (i as f32).sin().to_le_bytes(), (i as f32).cos().to_le_bytes(),
    /// #     1f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    /// # std::fs::write(&path, (0..500).flat_map(row).collect::<Vec<u8>>())?;
    /// let options = FitOptions::default().with_sample(300);
    /// let (model, report) = Model::fit_file(&path, ModelConfig::int8(4, 2), options)?;
    /// assert_eq!((report.rows, report.rows_used), (500, 300));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`fit_with`](Self::fit_with), with rows counted as in the file; a file that cannot be read, holds
    /// no rows or rows of another length, or is damaged.
    pub fn fit_file(
        path: impl AsRef<Path>,
        config: impl Into<ModelConfig>,
        options: FitOptions<'_>,
    ) -> Result<(Self, FitReport)> {
        let config = config.into();
        config.validate()?;
        let mut data = DataReader::open(path.as_ref(), options.tensor())?;
        data.expect_rows()?;
        if data.dim() != config.dim {
            let detail = format!(
                "its rows have {} values, and the configuration is for {}: pass rows of {}",
                data.dim(),
                config.dim,
                config.dim
            );
            return Err(Error::format(path.as_ref(), detail));
        }
        let cancel = options.cancel().clone();
        let sample = data.sample(options.sample(), options.seed(), |_| cancel.check())?;
        let fitted = Self::fit_with(&sample.values, config, options);
        let (model, report) = fitted.map_err(|e| e.with_row(|row| sample.number(row)))?;
        Ok((model, FitReport { rows: data.row_count(), ..report }))
    }
}
