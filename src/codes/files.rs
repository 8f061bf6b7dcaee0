//! Codes on disk, whole or block by block.

use std::ops::Range;
use std::path::Path;

use safetensors::tensor::Dtype;

use super::{Codes, Scales, check_origin, check_scales};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::memory;
use crate::model::{ConfigRecord, Model, ModelConfig};
use crate::tensors::{Reader, Spec, Writer};

const CODES: &str = "codes";
const SCALES: &str = "scales";
const SCALE_BYTES: u64 = size_of::<f32>() as u64;

/// 8-bit codes are numbers, bit codes are bits.
fn dtype(config: &ModelConfig) -> Dtype {
    if config.bytes().is_some() { Dtype::U8 } else { Dtype::I8 }
}

impl Codes {
    /// Writes a safetensors file: `scales` as F32 `[rows]` (or `[1]`), `codes` as I8
    /// `[rows, latent_dim]`, and the configuration and the model's fingerprint as metadata.
    /// The file appears whole or not at all.
    ///
    /// NumPy reads the latents of 8-bit codes. `docs/format.md` decodes bit codes.
    ///
    /// ```python
    /// from safetensors.numpy import load_file
    /// t = load_file("codes.safetensors")
    /// latents = t["codes"] * t["scales"][:, None]      # [rows, latent_dim]
    /// ```
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = CodesWriter::new(
            path.as_ref(),
            self.config(),
            self.fingerprint(),
            self.row_count(),
            self.scales().len(),
        )?;
        writer.write_block(self)?;
        writer.finish()
    }

    /// Reads what [`Codes::save`] or a [`CodesWriter`] wrote.
    ///
    /// # Errors
    /// The file cannot be read, is no codes file, was cut off, or holds no rows.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = CodesReader::open(path)?;
        let rows = reader.row_count();
        reader.read(0..rows)
    }
}

/// Writes a file of codes block by block, for batches larger than memory.
pub struct CodesWriter {
    writer: Writer,
    config: ModelConfig,
    model: Fingerprint,
    rows: usize,
    /// Whether there is one scale for all rows.
    shared: bool,
    written: usize,
}

impl CodesWriter {
    /// Begins a file of `rows` rows encoded by `model`, with a scale per row if the model stores
    /// scales. A file of no rows has no scales.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: impl AsRef<Path>, model: &Model, rows: usize) -> Result<Self> {
        let scales = if model.config().has_row_scales() { rows } else { rows.min(1) };
        Self::new(path.as_ref(), model.config(), model.fingerprint(), rows, scales)
    }

    fn new(
        path: &Path,
        config: &ModelConfig,
        model: Fingerprint,
        rows: usize,
        scales: usize,
    ) -> Result<Self> {
        let specs = vec![
            Spec { name: SCALES, dtype: Dtype::F32, shape: vec![scales] },
            Spec { name: CODES, dtype: dtype(config), shape: vec![rows, config.packed_size()] },
        ];
        let writer = Writer::create(path, &ConfigRecord::new("codes", config, model), specs)?;
        let shared = scales == 1 && rows > 1;
        Ok(Self { writer, config: config.clone(), model, rows, shared, written: 0 })
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// The codes are another model's, there are more rows than the file was begun for, the rows
    /// share a scale that the file has no place for, or the file cannot be written.
    pub fn append(&mut self, codes: &Codes) -> Result<()> {
        codes.check_origin(&self.config, self.model)?;
        if codes.row_count() > self.rows - self.written {
            let (what, found) = ("rows for the file", self.written + codes.row_count());
            let remedy = "begin the file with the number of rows that it is to hold";
            return Err(Error::CodesShape { what, expected: self.rows, found, remedy });
        }
        if self.shared && codes.scales().iter().any(|scale| *scale != 1.0) {
            let what = "scales other than 1 for a model without row scales";
            let found = codes.scales().iter().filter(|scale| **scale != 1.0).count();
            let remedy = "join the codes with Codes::append and call Codes::save";
            return Err(Error::CodesShape { what, expected: 0, found, remedy });
        }
        if !self.shared && codes.scales().len() != codes.row_count() {
            let (what, expected, found) = ("scales", codes.row_count(), codes.scales().len());
            let remedy = "join the codes with Codes::append and call Codes::save";
            return Err(Error::CodesShape { what, expected, found, remedy });
        }
        self.write_block(codes)
    }

    fn write_block(&mut self, codes: &Codes) -> Result<()> {
        let at = self.written as u64;
        let (scales, scales_at) = match self.shared {
            true => (&codes.scales()[..1], 0),
            false => (codes.scales(), at * SCALE_BYTES),
        };
        self.writer.write(SCALES, scales_at, bytemuck::cast_slice(scales))?;
        let row_bytes = self.config.packed_size() as u64;
        self.writer.write(CODES, at * row_bytes, codes.as_bytes())?;
        self.written += codes.row_count();
        Ok(())
    }

    /// Completes the file, which takes its name only now. A writer that is dropped leaves nothing.
    ///
    /// # Errors
    /// Fewer rows were appended than the file was begun for, or the disk is full.
    pub fn finish(self) -> Result<()> {
        if self.written != self.rows {
            let (what, expected, found) = ("rows in the file", self.rows, self.written);
            let remedy = "append the missing rows before finish";
            return Err(Error::CodesShape { what, expected, found, remedy });
        }
        self.writer.finish()
    }
}

/// Reads a file of codes block by block.
pub struct CodesReader {
    reader: Reader,
    config: ModelConfig,
    model: Fingerprint,
    rows: usize,
    uniform: Option<f32>,
}

impl CodesReader {
    /// Opens a file of codes and checks its header against its length.
    ///
    /// # Errors
    /// The file cannot be read, is no codes file, or was cut off.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = Reader::open(path.as_ref())?;
        let (config, model) = ConfigRecord::read("codes", &reader)?;
        let rows = reader.info(CODES).and_then(|info| info.shape.first().copied()).unwrap_or(0);
        reader.expect(CODES, dtype(&config), &[rows, config.packed_size()])?;
        let mut uniform = None;
        if rows > 1 && reader.info(SCALES).is_some_and(|info| info.shape == [1]) {
            reader.expect(SCALES, Dtype::F32, &[1])?;
            uniform = Some(reader.read_f32(SCALES)?[0]);
        } else {
            reader.expect(SCALES, Dtype::F32, &[rows])?;
        }
        Ok(Self { reader, config, model, rows, uniform })
    }

    /// Number of encoded rows in the file, which may be zero.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// Shape and options of the model that made these codes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The model that made these codes.
    pub fn fingerprint(&self) -> Fingerprint {
        self.model
    }

    /// Fails unless the codes were made by this model: by its fingerprint, and by its whole
    /// configuration.
    ///
    /// # Errors
    /// [`Error::OtherModel`], or [`Error::OtherConfig`] where the record was altered.
    pub fn check_model(&self, model: &Model) -> Result<()> {
        check_origin((&self.config, self.model), (model.config(), model.fingerprint()))
    }

    /// Reads some rows.
    ///
    /// # Errors
    /// The range is empty or ends beyond the last row; a scale is negative or not finite; the
    /// file cannot be read.
    pub fn read(&mut self, range: Range<usize>) -> Result<Codes> {
        if range.is_empty() {
            return Err(Error::EmptyBatch { dim: self.config.dim });
        }
        if range.end > self.rows {
            return Err(Error::RowOutOfRange { row: range.end - 1, rows: self.rows });
        }
        let (start, rows, row_bytes) = (range.start, range.len(), self.config.packed_size());
        let scales = match self.uniform {
            Some(scale) => Scales::Uniform(scale),
            None => {
                let mut scales: Vec<f32> = memory::zeroed("the scales", &[rows])?;
                let bytes = bytemuck::cast_slice_mut(&mut scales);
                self.reader.read(SCALES, start as u64 * SCALE_BYTES, bytes)?;
                Scales::PerRow(scales)
            }
        };
        check_scales(start, scales.as_slice())
            .map_err(|e| Error::format(self.reader.path(), e.to_string()))?;
        let mut packed: Vec<u8> = memory::zeroed("the codes", &[rows, row_bytes])?;
        self.reader.read(CODES, start as u64 * row_bytes as u64, &mut packed)?;
        Ok(Codes::from_checked(self.config.clone(), self.model, packed, scales))
    }
}
