//! safetensors files, one tensor of which holds the rows.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;

use super::{Cells, Layout, open};
use crate::error::{CliError, Result};

/// The name of the tensor that is written, and of the tensor that is read if there are several.
const NAME: &str = "embeddings";
/// The metadata key that names the kind of a file of vecodec.
const KEY: &str = "vecodec";
/// The length field in front of the header.
const PREFIX_BYTES: u64 = 8;
/// The limit of the format.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Names of tensors that an error lists.
const NAMES_SHOWN: usize = 4;

/// Finds the rows in a file.
pub(super) fn layout(path: &Path, file: &mut File, file_bytes: u64) -> Result<Layout> {
    let bad = |detail: String| Err(CliError::file(path, detail));
    let (header, start) = read_header(path, file, file_bytes)?;
    if let Some(kind) = kind(&header) {
        return bad(format!("is a vecodec {kind} file, not data: check the order of the files"));
    }
    let (name, info) = choose(path, &header)?;
    let cells = match info.dtype {
        Dtype::F32 => Cells::F32,
        Dtype::F16 => Cells::F16,
        other => {
            return bad(format!(
                "its tensor {name:?} is {other:?}, and F32 and F16 can be read: convert it"
            ));
        }
    };
    let &[rows, dim] = info.shape.as_slice() else {
        return bad(format!(
            "its tensor {name:?} has shape {:?}, and rows x values are expected: reshape it",
            info.shape
        ));
    };
    Ok(Layout { rows, dim, cells, start: start + info.data_offsets.0 as u64 })
}

/// The kind of a file of vecodec, or none for any other safetensors file.
pub fn kind_of(path: &Path) -> Result<Option<String>> {
    let (mut file, file_bytes) = open(path)?;
    Ok(kind(&read_header(path, &mut file, file_bytes)?.0))
}

fn kind(header: &Metadata) -> Option<String> {
    #[derive(Deserialize)]
    struct Record {
        kind: String,
    }
    let record = header.metadata().as_ref()?.get(KEY)?;
    Some(serde_json::from_str::<Record>(record).map_or("unknown".to_owned(), |r| r.kind))
}

/// The tensor named `embeddings`, or the only tensor of two dimensions.
fn choose(path: &Path, header: &Metadata) -> Result<(String, TensorInfo)> {
    if let Some(info) = header.info(NAME) {
        return Ok((NAME.to_owned(), info.clone()));
    }
    let mut tensors: Vec<_> = header.tensors().into_iter().collect();
    tensors.retain(|(_, info)| info.shape.len() == 2);
    if let [(name, info)] = tensors.as_slice() {
        return Ok((name.clone(), (*info).clone()));
    }
    let mut names: Vec<_> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let more = if names.len() > NAMES_SHOWN { ", ..." } else { "" };
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    let detail = match names.len() {
        0 => format!("holds no tensor of two dimensions: save the rows as {NAME:?}"),
        n => format!("holds {n} tensors of two dimensions ({shown}{more}): name one {NAME:?}"),
    };
    Err(CliError::file(path, detail))
}

/// The header, checked against the length of the file, and the offset of the tensors.
fn read_header(path: &Path, file: &mut File, file_bytes: u64) -> Result<(Metadata, u64)> {
    let bad = |detail: String| CliError::file(path, detail);
    let mut prefix = [0; PREFIX_BYTES as usize];
    if file_bytes < PREFIX_BYTES {
        let detail = format!("has {file_bytes} bytes, too few for safetensors: write it again");
        return Err(bad(detail));
    }
    file.read_exact(&mut prefix).map_err(|e| CliError::io(path, e))?;
    let header_bytes = u64::from_le_bytes(prefix);
    if header_bytes > MAX_HEADER_BYTES || header_bytes > file_bytes - PREFIX_BYTES {
        return Err(bad(format!(
            "claims a header of {header_bytes} bytes in a file of {file_bytes}: \
             it is no safetensors file, or was cut off"
        )));
    }
    let mut header = vec![0; header_bytes as usize];
    file.read_exact(&mut header).map_err(|e| CliError::io(path, e))?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|e| bad(format!("its safetensors header is not valid ({e}): write it again")))?;
    let start = PREFIX_BYTES + header_bytes;
    let expected = start.checked_add(header.data_len() as u64);
    if expected != Some(file_bytes) {
        return Err(bad(format!(
            "its header describes {} bytes of tensors behind byte {start}, and the file has \
             {file_bytes} bytes: it was cut off or appended to, so write it again",
            header.data_len()
        )));
    }
    Ok((header, start))
}

/// The header of a file that holds one tensor, `embeddings` as F32 `[rows, dim]`.
pub(super) fn header(path: &Path, rows: usize, dim: usize) -> Result<Vec<u8>> {
    let bad = |detail: String| CliError::file(path, detail);
    let bytes = rows.checked_mul(dim).and_then(|len| len.checked_mul(size_of::<f32>()));
    let Some(bytes) = bytes else {
        return Err(bad(format!("{rows} rows of {dim} values exceed any file: write fewer")));
    };
    let info = TensorInfo { dtype: Dtype::F32, shape: vec![rows, dim], data_offsets: (0, bytes) };
    let header =
        Metadata::new(None, vec![(NAME.to_owned(), info)]).map_err(|e| bad(e.to_string()))?;
    let mut text = serde_json::to_vec(&header).map_err(|e| bad(e.to_string()))?;
    // Readers that map the file want the values aligned.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend(text);
    Ok(header)
}
