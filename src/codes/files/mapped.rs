//! Codes that stay in their file, which is mapped into memory.

use std::ops::Range;

use memmap2::Mmap;
use rayon::prelude::*;

use super::super::check_scales;
use super::layout::{CODES, Checksum, ID_BYTES, IDS, SCALE_BYTES};
use super::reader::{CodesReader, altered};
use crate::error::{Error, Result, first_error};
use crate::fingerprint::Fingerprint;
use crate::model::ModelConfig;

/// The codes of a file of version 3. They take no memory of the process: the system reads them when they are
/// needed, and forgets them when memory gets short.
#[derive(Debug)]
pub(crate) struct MappedCodes {
    config: ModelConfig,
    model: Fingerprint,
    row_count: usize,
    /// The scale of all rows; none if each row has its own behind its packed codes.
    scale: Option<f32>,
    packed_bytes: usize,
    record_bytes: usize,
    map: Mmap,
    /// Where the records of all rows are.
    records: Range<usize>,
}

impl CodesReader {
    /// Maps the file, and returns the ids of its rows if it has any. All rows are compared with their
    /// checksums.
    ///
    /// # Errors
    /// The file is of an earlier version; a scale is negative or not finite; rows were altered; the file
    /// cannot be read.
    pub(crate) fn map(mut self) -> Result<(MappedCodes, Option<Vec<u64>>)> {
        let path = self.reader.path().to_path_buf();
        let Some(segments) = self.segments else {
            let detail = "is a file of version 1 or 2: load the codes and append them instead";
            return Err(Error::format(&path, detail));
        };
        let mut ids = vec![0u64; if segments.has_ids { self.rows } else { 0 }];
        if segments.has_ids {
            self.reader.read(IDS, 0, bytemuck::cast_slice_mut(&mut ids))?;
        }
        let (map, records) = self.reader.map(CODES)?;
        let codes = MappedCodes {
            packed_bytes: self.config.packed_size(),
            record_bytes: segments.record_bytes,
            config: self.config,
            model: self.model,
            row_count: self.rows,
            scale: self.scale,
            map,
            records,
        };
        let id_bytes: &[u8] = bytemuck::cast_slice(&ids);
        let check = |(segment, expected): (usize, &u32)| {
            let first = segment * segments.rows;
            let rows = first..codes.row_count.min(first + segments.rows);
            let mut checksum = Checksum::new(codes.scale);
            checksum.add_records(codes.records(rows.clone()));
            if segments.has_ids {
                checksum.add_ids(&id_bytes[rows.start * ID_BYTES..rows.end * ID_BYTES]);
            }
            if checksum.finish() != *expected {
                return Err(altered(&path, rows));
            }
            let scales: Vec<f32> = rows.clone().map(|row| codes.scale(row)).collect();
            check_scales(first, &scales).map_err(|e| Error::format(&path, e.to_string()))
        };
        first_error(segments.checksums.par_iter().enumerate().map(check))?;
        Ok((codes, segments.has_ids.then_some(ids)))
    }
}

impl MappedCodes {
    pub(crate) fn config(&self) -> &ModelConfig {
        &self.config
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.model
    }

    pub(crate) fn row_count(&self) -> usize {
        self.row_count
    }

    /// The records of all rows, and the bytes of each: its packed codes, and its scale where rows have their own.
    pub(crate) fn as_records(&self) -> (&[u8], usize) {
        (self.records(0..self.row_count), self.record_bytes)
    }

    /// The packed codes of a row.
    #[inline(always)]
    pub(crate) fn packed(&self, row: usize) -> &[u8] {
        &self.records(row..row + 1)[..self.packed_bytes]
    }

    /// The scale of a row.
    #[inline(always)]
    pub(crate) fn scale(&self, row: usize) -> f32 {
        self.scale.unwrap_or_else(|| {
            let record = self.records(row..row + 1);
            bytemuck::pod_read_unaligned(&record[self.packed_bytes..][..SCALE_BYTES])
        })
    }

    #[inline(always)]
    fn records(&self, rows: Range<usize>) -> &[u8] {
        let records = &self.map[self.records.clone()];
        &records[rows.start * self.record_bytes..rows.end * self.record_bytes]
    }
}
