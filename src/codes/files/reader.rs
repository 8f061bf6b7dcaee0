//! Codes read block by block, of every version.

use std::ops::Range;
use std::path::Path;

use safetensors::tensor::Dtype;

use super::super::{Codes, Scales, check_origin, check_scales};
use super::layout::{CHECKSUMS, CODES, Checksum, ID_BYTES, IDS, SCALE, SCALE_BYTES};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::memory;
use crate::model::{ConfigRecord, Model, ModelConfig};
use crate::tensors::Reader;

/// F32 `[rows]`, or `[1]` if all rows share a scale: in files of versions 1 and 2.
const SCALES: &str = "scales";

/// Reads a file of codes block by block.
pub struct CodesReader {
    pub(super) reader: Reader,
    pub(super) config: ModelConfig,
    pub(super) model: Fingerprint,
    pub(super) rows: usize,
    /// The scale of all rows; none if each row has its own.
    pub(super) scale: Option<f32>,
    /// Of version 3.
    pub(super) segments: Option<Segments>,
}

/// The segments of a file of version 3.
pub(super) struct Segments {
    pub(super) rows: usize,
    pub(super) record_bytes: usize,
    pub(super) has_ids: bool,
    pub(super) checksums: Vec<u32>,
}

impl CodesReader {
    /// Opens a file of codes and checks its header against its length.
    ///
    /// # Errors
    /// The file cannot be read, is no codes file, or was cut off.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = Reader::open(path.as_ref())?;
        let (config, model, segment_rows) = ConfigRecord::read_codes(&reader)?;
        let (rows, row_bytes) = match reader.info(CODES).map(|info| info.shape.as_slice()) {
            Some(&[rows, row_bytes]) => (rows, row_bytes),
            _ => (0, 0),
        };
        let (scale, segments) = match segment_rows {
            Some(segment_rows) => {
                let has_own_scales = row_bytes == config.packed_size().saturating_add(SCALE_BYTES);
                let scale = match has_own_scales {
                    true => None,
                    false => {
                        reader.expect(CODES, Dtype::U8, &[rows, config.packed_size()])?;
                        Some(read_scale(&mut reader, SCALE)?)
                    }
                };
                (scale, Some(Segments::open(&mut reader, rows, row_bytes, segment_rows)?))
            }
            None => {
                // 8-bit codes are numbers, bit codes are bits.
                let dtype = if config.bytes().is_some() { Dtype::U8 } else { Dtype::I8 };
                reader.expect(CODES, dtype, &[rows, config.packed_size()])?;
                let is_shared =
                    rows > 1 && reader.info(SCALES).is_some_and(|info| info.shape == [1]);
                let scale = match is_shared {
                    true => Some(read_scale(&mut reader, SCALES)?),
                    false => {
                        reader.expect(SCALES, Dtype::F32, &[rows])?;
                        None
                    }
                };
                (scale, None)
            }
        };
        Ok(Self { reader, config, model, rows, scale, segments })
    }

    /// Number of encoded rows in the file, which may be zero.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// Whether the rows have ids.
    pub fn has_ids(&self) -> bool {
        self.segments.as_ref().is_some_and(|segments| segments.has_ids)
    }

    /// Shape and options of the model that made these codes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The model that made these codes.
    pub fn fingerprint(&self) -> Fingerprint {
        self.model
    }

    /// Fails unless the codes were made by this model: by its fingerprint, and by all of its
    /// configuration that decoding depends on.
    ///
    /// # Errors
    /// [`Error::OtherModel`], or [`Error::OtherConfig`] where the record was altered.
    pub fn check_model(&self, model: &Model) -> Result<()> {
        check_origin((&self.config, self.model), (model.config(), model.fingerprint()))
    }

    /// Reads some rows. Their segments are read whole and compared with their checksums; files of
    /// versions 1 and 2 have none.
    ///
    /// # Errors
    /// The range is empty or ends beyond the last row; a scale is negative or not finite; rows were
    /// altered; the file cannot be read.
    pub fn read(&mut self, range: Range<usize>) -> Result<Codes> {
        Ok(self.read_with_ids(range)?.0)
    }

    /// Reads some rows with their ids, one for each row. The ids are empty if the file
    /// [has none](Self::has_ids).
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn read_with_ids(&mut self, range: Range<usize>) -> Result<(Codes, Vec<u64>)> {
        if range.is_empty() {
            return Err(Error::EmptyBatch { dim: self.config.dim });
        }
        if range.end > self.rows {
            return Err(Error::RowOutOfRange { row: range.end - 1, rows: self.rows });
        }
        let start = range.start;
        let mut rows = Batch::new(&self.config, range.len(), self.scale, self.has_ids())?;
        match &self.segments {
            Some(segments) => segments.read(&mut self.reader, range, self.rows, &mut rows)?,
            None => rows.read_v2(&mut self.reader, start)?,
        }
        let Batch { packed, scales, ids, .. } = rows;
        let scales = self.scale.map_or(Scales::PerRow(scales), Scales::Uniform);
        check_scales(start, scales.as_slice())
            .map_err(|e| Error::format(self.reader.path(), e.to_string()))?;
        Ok((Codes::from_checked(self.config.clone(), self.model, packed, scales), ids))
    }
}

fn read_scale(reader: &mut Reader, name: &str) -> Result<f32> {
    reader.expect(name, Dtype::F32, &[1])?;
    Ok(reader.read_f32(name)?[0])
}

/// Rows that are being read.
struct Batch {
    packed_bytes: usize,
    /// The scale of all rows; none if each row has its own.
    scale: Option<f32>,
    packed: Vec<u8>,
    /// Empty if all rows share a scale.
    scales: Vec<f32>,
    /// Empty if the file has no ids.
    ids: Vec<u64>,
}

impl Batch {
    /// No rows yet, and zeros for so many.
    fn new(config: &ModelConfig, rows: usize, scale: Option<f32>, has_ids: bool) -> Result<Self> {
        let packed_bytes = config.packed_size();
        Ok(Self {
            packed_bytes,
            scale,
            packed: memory::zeroed("the codes", &[rows, packed_bytes])?,
            scales: memory::zeroed("the scales", &[if scale.is_none() { rows } else { 0 }])?,
            ids: memory::zeroed("the ids", &[if has_ids { rows } else { 0 }])?,
        })
    }

    /// Reads all rows from a file of version 1 or 2, beginning at a row.
    fn read_v2(&mut self, reader: &mut Reader, start: usize) -> Result<()> {
        if self.scale.is_none() {
            let bytes = bytemuck::cast_slice_mut(&mut self.scales);
            reader.read(SCALES, start as u64 * SCALE_BYTES as u64, bytes)?;
        }
        reader.read(CODES, start as u64 * self.packed_bytes as u64, &mut self.packed)
    }

    /// Takes the records of rows, which become rows number `at` and following.
    fn put(&mut self, at: usize, records: &[u8]) {
        let packed = self.packed[at * self.packed_bytes..].chunks_exact_mut(self.packed_bytes);
        if self.scale.is_some() {
            self.packed[at * self.packed_bytes..][..records.len()].copy_from_slice(records);
            return;
        }
        let records = records.chunks_exact(self.packed_bytes + SCALE_BYTES);
        for ((record, packed), scale) in records.zip(packed).zip(&mut self.scales[at..]) {
            let (codes, bytes) = record.split_at(self.packed_bytes);
            packed.copy_from_slice(codes);
            *scale = bytemuck::pod_read_unaligned(bytes);
        }
    }
}

impl Segments {
    fn open(
        reader: &mut Reader,
        rows: usize,
        record_bytes: usize,
        segment_rows: usize,
    ) -> Result<Self> {
        reader.expect(CODES, Dtype::U8, &[rows, record_bytes])?;
        let has_ids = reader.info(IDS).is_some();
        if has_ids {
            reader.expect(IDS, Dtype::U64, &[rows])?;
        }
        let count = rows.div_ceil(segment_rows);
        reader.expect(CHECKSUMS, Dtype::U32, &[count])?;
        let mut checksums: Vec<u32> = memory::zeroed("the checksums", &[count])?;
        reader.read(CHECKSUMS, 0, bytemuck::cast_slice_mut(&mut checksums))?;
        Ok(Self { rows: segment_rows, record_bytes, has_ids, checksums })
    }

    /// Reads a range of the file's `row_count` rows.
    fn read(
        &self,
        reader: &mut Reader,
        range: Range<usize>,
        row_count: usize,
        out: &mut Batch,
    ) -> Result<()> {
        let segment_rows = self.rows.min(row_count);
        let mut records = memory::zeroed("a segment of codes", &[segment_rows, self.record_bytes])?;
        let mut ids: Vec<u64> =
            memory::zeroed("the ids of a segment", &[if self.has_ids { segment_rows } else { 0 }])?;
        for segment in range.start / self.rows..range.end.div_ceil(self.rows) {
            let first = segment * self.rows;
            let last = row_count.min(first + segment_rows);
            let records = &mut records[..(last - first) * self.record_bytes];
            reader.read(CODES, first as u64 * self.record_bytes as u64, records)?;
            let mut checksum = Checksum::new(out.scale);
            checksum.add_records(records);
            // The rows of this segment that are asked for.
            let (start, end) = (range.start.max(first), range.end.min(last));
            out.put(
                start - range.start,
                &records[(start - first) * self.record_bytes..(end - first) * self.record_bytes],
            );
            if self.has_ids {
                let ids = &mut ids[..last - first];
                reader.read(IDS, first as u64 * ID_BYTES as u64, bytemuck::cast_slice_mut(ids))?;
                checksum.add_ids(bytemuck::cast_slice(ids));
                out.ids[start - range.start..end - range.start]
                    .copy_from_slice(&ids[start - first..end - first]);
            }
            if checksum.finish() != self.checksums[segment] {
                return Err(altered(reader.path(), first..last));
            }
        }
        Ok(())
    }
}

/// The error of rows that differ from their checksum.
pub(super) fn altered(path: &Path, rows: Range<usize>) -> Error {
    let detail = format!(
        "rows {} to {} do not match their checksum: they, their ids or the checksum were altered, so write \
         the file again",
        rows.start,
        rows.end - 1
    );
    Error::format(path, detail)
}
