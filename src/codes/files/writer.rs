//! Codes written as they come.

use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::ops::Range;
use std::path::Path;

use tempfile::SpooledTempFile;

use super::super::{Codes, Scales};
use super::layout::{
    CHECKSUMS, CODES, Checksum, ID_BYTES, IDS, SCALE, SCALE_BYTES, SEGMENT_ROWS, max_rows, specs,
};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::model::{ConfigRecord, Model, ModelConfig};
use crate::tensors::Writer;

/// Ids beyond so many bytes wait in a file until the codes are complete.
const IDS_IN_MEMORY: usize = 1 << 20;

/// Writes a file of codes block by block, for batches larger than memory. Nobody has to know the
/// number of rows before the last of them is there.
pub struct CodesWriter {
    writer: Writer,
    config: ModelConfig,
    model: Fingerprint,
    /// The scale of all rows; none if each row has its own.
    scale: Option<f32>,
    /// Bytes of a row in the file.
    record_bytes: usize,
    rows: usize,
    /// The ids of all rows so far; none if the file has no ids, or no rows yet.
    ids: Option<SpooledTempFile>,
    /// Of the segments that are complete.
    checksums: Vec<u32>,
    /// Of the segment that is not.
    checksum: Checksum,
    /// The records of at most a segment.
    records: Vec<u8>,
    /// Whether an append failed after a part of its rows.
    is_broken: bool,
}

impl CodesWriter {
    /// Begins a file of rows encoded by `model`, with a scale per row if the model stores scales. A file
    /// may end without a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: impl AsRef<Path>, model: &Model) -> Result<Self> {
        let scale = if model.config().has_row_scales() { None } else { Some(1.0) };
        Self::new(path.as_ref(), model.config(), model.fingerprint(), scale)
    }

    /// Begins a file that stores the scales of this batch as the batch does.
    pub(super) fn of_batch(path: &Path, codes: &Codes) -> Result<Self> {
        let scale = match (&codes.0.scales, codes.config().has_row_scales()) {
            (Scales::Uniform(scale), _) => Some(*scale),
            // A single row has a scale of its own, whether its model stores scales or not.
            (Scales::PerRow(scales), false) if *scales == [1.0] => Some(1.0),
            (Scales::PerRow(_), _) => None,
        };
        Self::new(path, codes.config(), codes.fingerprint(), scale)
    }

    /// Begins a file of rows that share a scale, or have their own if none is given.
    pub(crate) fn new(
        path: &Path,
        config: &ModelConfig,
        model: Fingerprint,
        scale: Option<f32>,
    ) -> Result<Self> {
        let record = ConfigRecord::of_codes(config, model, SEGMENT_ROWS);
        let scale_bytes = if scale.is_none() { SCALE_BYTES } else { 0 };
        let record_bytes = config.packed_size() + scale_bytes;
        // An odd number of rows, because these need padding if any do.
        let largest = max_rows(record_bytes) | 1;
        let specs = specs(largest, record_bytes, true, scale.is_some());
        Ok(Self {
            writer: Writer::create(path, &record, specs)?,
            config: config.clone(),
            model,
            scale,
            record_bytes,
            rows: 0,
            ids: None,
            checksums: Vec::new(),
            checksum: Checksum::new(scale),
            records: Vec::new(),
            is_broken: false,
        })
    }

    /// Number of rows that were appended so far.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// The codes are another model's, the rows before have ids, a row has a scale that the file has no
    /// place for, or the file cannot be written. After an error of the first three kinds the file is as
    /// it was.
    pub fn append(&mut self, codes: &Codes) -> Result<()> {
        self.append_rows(codes, None)
    }

    /// Appends a batch with an id for each row: any 64-bit numbers.
    ///
    /// # Errors
    /// As for [`append`](Self::append), and: there is another number of ids than of rows, or the rows
    /// before have no ids.
    pub fn append_with_ids(&mut self, codes: &Codes, ids: &[u64]) -> Result<()> {
        self.append_rows(codes, Some(ids))
    }

    fn append_rows(&mut self, codes: &Codes, ids: Option<&[u64]>) -> Result<()> {
        self.check(codes, ids)?;
        if ids.is_some() && self.ids.is_none() {
            self.ids = Some(SpooledTempFile::new_in(IDS_IN_MEMORY, self.writer.folder()));
        }
        let written = self.write_rows(codes, ids);
        self.is_broken = written.is_err();
        written
    }

    fn write_rows(&mut self, codes: &Codes, ids: Option<&[u64]>) -> Result<()> {
        let mut row = 0;
        while row < codes.row_count() {
            let in_segment = self.rows % SEGMENT_ROWS;
            let end = codes.row_count().min(row + SEGMENT_ROWS - in_segment);
            self.write_records(codes, row..end)?;
            if let Some(ids) = ids {
                self.write_ids(&ids[row..end])?;
            }
            self.rows += end - row;
            if self.rows.is_multiple_of(SEGMENT_ROWS) {
                self.end_segment();
            }
            row = end;
        }
        Ok(())
    }

    fn check_complete(&self) -> Result<()> {
        match self.is_broken {
            true => Err(Error::format(
                self.writer.path(),
                "an append wrote only a part of its rows: begin the file again",
            )),
            false => Ok(()),
        }
    }

    fn check(&self, codes: &Codes, ids: Option<&[u64]>) -> Result<()> {
        self.check_complete()?;
        codes.check_origin(&self.config, self.model)?;
        let shape = |what, expected, found, remedy| {
            Err(Error::CodesShape { what, expected, found, remedy })
        };
        let rows = codes.row_count();
        if let Some(ids) = ids
            && ids.len() != rows
        {
            return shape("ids", rows, ids.len(), "pass an id for each row");
        }
        if self.rows > 0 && ids.is_some() != self.ids.is_some() {
            let (expected, found) = if ids.is_some() { (0, rows) } else { (rows, 0) };
            let remedy = "pass ids with every batch of a file, or with none";
            return shape("ids", expected, found, remedy);
        }
        if let Some(shared) = self.scale {
            let differs = |scale: &&f32| scale.to_bits() != shared.to_bits();
            let found = codes.scales().iter().filter(differs).count();
            if found > 0 {
                let what = "scales other than 1 for a model without row scales";
                let remedy = "join the codes with Codes::append and call Codes::save";
                return shape(what, 0, found, remedy);
            }
        }
        match self.rows.checked_add(rows) {
            Some(sum) if sum <= max_rows(self.record_bytes) => Ok(()),
            _ => Err(Error::format(self.writer.path(), "exceeds any file: begin another")),
        }
    }

    /// Writes rows that end with the segment or before it.
    fn write_records(&mut self, codes: &Codes, rows: Range<usize>) -> Result<()> {
        let packed_bytes = self.config.packed_size();
        let packed = &codes.as_bytes()[rows.start * packed_bytes..rows.end * packed_bytes];
        let records = match self.scale {
            Some(_) => packed,
            None => {
                self.records.clear();
                for (row, packed) in rows.zip(packed.chunks_exact(packed_bytes)) {
                    self.records.extend_from_slice(packed);
                    self.records.extend_from_slice(&codes.scale(row).to_le_bytes());
                }
                &self.records
            }
        };
        let start = self.rows as u64 * self.record_bytes as u64;
        self.writer.write(CODES, start, records)?;
        self.checksum.add_records(records);
        Ok(())
    }

    fn write_ids(&mut self, ids: &[u64]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(ids);
        if let Some(file) = &mut self.ids {
            file.write_all(bytes).map_err(|e| Error::io(self.writer.path(), e))?;
        }
        self.checksum.add_ids(bytes);
        Ok(())
    }

    fn end_segment(&mut self) {
        let next = Checksum::new(self.scale);
        self.checksums.push(std::mem::replace(&mut self.checksum, next).finish());
    }

    /// Completes the file, which takes its name only now. A writer that is dropped leaves nothing.
    ///
    /// # Errors
    /// An append could not write its rows, or the disk is full.
    pub fn finish(mut self) -> Result<()> {
        self.check_complete()?;
        if !self.rows.is_multiple_of(SEGMENT_ROWS) {
            self.end_segment();
        }
        let specs = specs(self.rows, self.record_bytes, self.ids.is_some(), self.scale.is_some());
        // What no write reaches is zero: the padding.
        self.writer.reshape(specs)?;
        if let Some(ids) = self.ids {
            copy_ids(&mut self.writer, ids)?;
        }
        self.writer.write(CHECKSUMS, 0, bytemuck::cast_slice(&self.checksums))?;
        if let Some(scale) = self.scale {
            self.writer.write(SCALE, 0, &scale.to_le_bytes())?;
        }
        self.writer.finish()
    }
}

/// Copies the ids from where they waited.
fn copy_ids(writer: &mut Writer, mut ids: SpooledTempFile) -> Result<()> {
    let mut block = vec![0; ID_BYTES * SEGMENT_ROWS];
    let mut offset = 0;
    let failed = |writer: &Writer, e| Error::io(writer.path(), e);
    ids.rewind().map_err(|e| failed(writer, e))?;
    loop {
        let read = match ids.read(&mut block) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(|e| failed(writer, e))?,
        };
        if read == 0 {
            return Ok(());
        }
        writer.write(IDS, offset, &block[..read])?;
        offset += read as u64;
    }
}
