//! A safetensors file: one header writer and one checked reader.
//!
//! This crate's own data is one JSON object under the metadata key `vecodec`, so that a
//! file's bytes do not depend on the order of a hash map.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::new_file::NewFile;
use super::regular::open_regular;
use crate::error::{Error, Result};
use crate::memory;

const KEY: &str = "vecodec";
/// The length field in front of the header.
const PREFIX_BYTES: u64 = 8;
/// Longer headers are refused before they are read; the format's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The most bytes of all tensors. The format counts bits in 64 bits, and no file system has more.
const MAX_TENSOR_BYTES: usize = 1 << 60;

/// A tensor to be written: name, type and shape.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
}

/// A safetensors file under construction, its tensors' bytes written in any order.
pub(crate) struct Writer {
    file: NewFile,
    path: PathBuf,
    record: String,
    /// Length of the header, which the tensors follow.
    header_bytes: u64,
    tensors: Vec<(&'static str, Range<u64>)>,
}

impl Writer {
    /// Writes the header. `record` becomes the JSON object under this crate's metadata key.
    pub(crate) fn create(path: &Path, record: &impl Serialize, specs: Vec<Spec>) -> Result<Self> {
        let record =
            serde_json::to_string(record).map_err(|e| Error::format(path, e.to_string()))?;
        let (mut header, tensors) = header(path, &record, specs)?;
        // Readers that map the file want the data aligned.
        header.resize(header.len().next_multiple_of(8), b' ');
        let header_bytes = header.len() as u64;
        let mut file = NewFile::create(path)?;
        file.write_at(0, &header_bytes.to_le_bytes())?;
        file.write_at(PREFIX_BYTES, &header)?;
        Ok(Self { file, path: path.to_path_buf(), record, header_bytes, tensors })
    }

    /// Gives the tensors other shapes, in the room of the header that [`create`](Self::create) wrote.
    /// What was written of the first tensor stays. A file whose length is not known is begun with larger
    /// shapes than it can have, and gets the right ones at its end.
    pub(crate) fn reshape(&mut self, specs: Vec<Spec>) -> Result<()> {
        let (mut header, tensors) = header(&self.path, &self.record, specs)?;
        if header.len() as u64 > self.header_bytes {
            let detail = "a header outgrew the room that was kept for it".to_owned();
            return Err(Error::Internal { detail });
        }
        header.resize(self.header_bytes as usize, b' ');
        self.file.write_at(PREFIX_BYTES, &header)?;
        self.tensors = tensors;
        Ok(())
    }

    /// Writes bytes of a tensor, beginning at byte `offset` of it.
    pub(crate) fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let span = self.tensors.iter().find(|(n, _)| *n == name).map(|(_, range)| range.clone());
        match span {
            Some(range) if offset + bytes.len() as u64 <= range.end - range.start => {
                let start = PREFIX_BYTES + self.header_bytes + range.start;
                self.file.write_at(start + offset, bytes)
            }
            _ => Err(Error::format(&self.path, format!("no room for these bytes in {name}"))),
        }
    }

    /// The folder that the file will be in.
    pub(crate) fn folder(&self) -> &Path {
        self.file.folder()
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.file.finish()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The header of a file, and where each tensor lies behind it.
#[expect(clippy::type_complexity, reason = "a pair that is taken apart where it is made")]
fn header(
    path: &Path,
    record: &str,
    specs: Vec<Spec>,
) -> Result<(Vec<u8>, Vec<(&'static str, Range<u64>)>)> {
    let bad = |e: &dyn std::fmt::Display| Error::format(path, e.to_string());
    let (mut end, mut infos, mut spans) = (0, Vec::new(), Vec::new());
    for Spec { name, dtype, shape } in specs {
        let start = end;
        let bytes = memory::bytes_of::<u8>(&shape)
            .and_then(|values| values.checked_mul(dtype.bitsize() as u64 / 8))
            .and_then(|bytes| usize::try_from(bytes).ok());
        end = bytes
            .and_then(|bytes| bytes.checked_add(start))
            .filter(|end| *end <= MAX_TENSOR_BYTES)
            .ok_or_else(|| {
                let detail = format!("{name} of shape {shape:?} exceeds any file: pass fewer rows");
                Error::format(path, detail)
            })?;
        infos.push((name.to_owned(), TensorInfo { dtype, shape, data_offsets: (start, end) }));
        spans.push((name, start as u64..end as u64));
    }
    let metadata = HashMap::from([(KEY.to_owned(), record.to_owned())]);
    let header = Metadata::new(Some(metadata), infos).map_err(|e| bad(&e))?;
    Ok((serde_json::to_vec(&header).map_err(|e| bad(&e))?, spans))
}

/// A safetensors file whose header has been read and checked against the file's length.
pub(crate) struct Reader {
    file: File,
    path: PathBuf,
    header: Metadata,
    data_start: u64,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let (mut file, file_bytes) = open_regular(path)?;
        let mut prefix = [0; PREFIX_BYTES as usize];
        file.read_exact(&mut prefix).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Error::format(path, "too short for a safetensors file"),
            _ => io(e),
        })?;
        let header_bytes = u64::from_le_bytes(prefix);
        if header_bytes > MAX_HEADER_BYTES || header_bytes > file_bytes.saturating_sub(PREFIX_BYTES)
        {
            return Err(Error::format(
                path,
                "not a safetensors file, or one cut off in its header",
            ));
        }
        let mut header = memory::zeroed("the bytes of a header", &[header_bytes as usize])?;
        file.read_exact(&mut header).map_err(io)?;
        let header: Metadata = serde_json::from_slice(&header)
            .map_err(|e| Error::format(path, format!("not a valid safetensors header: {e}")))?;
        let data_start = PREFIX_BYTES + header_bytes;
        let data_bytes = header.data_len() as u64;
        if data_start.checked_add(data_bytes) != Some(file_bytes) {
            let detail = format!(
                "the header describes {data_bytes} bytes behind byte {data_start}, and the file has \
                 {file_bytes} bytes: it was cut off or appended to"
            );
            return Err(Error::format(path, detail));
        }
        Ok(Self { file, path: path.to_path_buf(), header, data_start })
    }

    /// This crate's own JSON object, if it can be read as a `T`.
    pub(crate) fn record<T: DeserializeOwned>(&self, kind: &str) -> Result<T> {
        let text = self.header.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| {
            let detail = format!("no vecodec {kind}: its metadata has no key {KEY:?}");
            Error::format(&self.path, detail)
        })?;
        serde_json::from_str(text)
            .map_err(|e| Error::format(&self.path, format!("not a vecodec {kind}: {e}")))
    }

    pub(crate) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.header.info(name)
    }

    /// Fails unless the tensor is there with this type and shape.
    pub(crate) fn expect(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<()> {
        let detail = match self.info(name) {
            Some(info) if info.dtype == dtype && info.shape == shape => return Ok(()),
            Some(info) => format!(
                "{name} is {:?} of shape {:?}, and {dtype:?} of shape {shape:?} was expected",
                info.dtype, info.shape
            ),
            None => format!("there is no tensor {name}"),
        };
        Err(Error::format(&self.path, detail))
    }

    /// Reads `out.len()` bytes of a tensor, beginning at byte `offset` of it.
    pub(crate) fn read(&mut self, name: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        let info = self.header.info(name);
        let range =
            info.map_or(0..0, |info| info.data_offsets.0 as u64..info.data_offsets.1 as u64);
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > range.end - range.start) {
            return Err(Error::format(&self.path, format!("{name} ends before byte {offset}")));
        }
        let start = self.data_start + range.start + offset;
        let read = self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.read_exact(out));
        read.map_err(|e| Error::io(&self.path, e))
    }

    /// The whole file as memory, and where a tensor lies in it.
    ///
    /// The files of this crate are written once and get their name when they are complete. If another
    /// program shortens the file while it is mapped, reading it ends the process.
    pub(crate) fn map(&self, name: &str) -> Result<(Mmap, Range<usize>)> {
        // SAFETY: the map is read only, and every byte is a valid u8. What it shows stays as it is as long as
        // nobody changes the file: `NewFile` writes under another name and renames, so no file of this
        // crate is changed once it can be opened. `MappedCodes` compares all rows with their checksums.
        #[expect(unsafe_code, reason = "codes larger than memory are searched where they are")]
        let map = unsafe { Mmap::map(&self.file) }.map_err(|e| Error::io(&self.path, e))?;
        let (start, end) = self.info(name).map_or((0, 0), |info| info.data_offsets);
        let data_start = self.data_start as usize;
        match map.get(data_start + start..data_start + end) {
            Some(_) => Ok((map, data_start + start..data_start + end)),
            None => Err(Error::format(&self.path, "was cut off while it was opened")),
        }
    }

    /// Reads a whole tensor of `f32`.
    pub(crate) fn read_f32(&mut self, name: &str) -> Result<Vec<f32>> {
        let shape = self.info(name).map_or(&[0][..], |info| &info.shape);
        let mut values: Vec<f32> = memory::zeroed("the values of a tensor", shape)?;
        self.read(name, 0, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
