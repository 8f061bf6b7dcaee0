//! safetensors files, one tensor of which holds the rows.

use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;

use super::cells::{Cells, Kind};
use super::input::{self, Input, Opened};
use super::layout::Layout;
use crate::error::Result;

/// The name of the tensor that is read if there are several.
const NAME: &str = "embeddings";
/// The metadata key that names the kind of a file of vecodec.
const KEY: &str = "vecodec";
/// The length field in front of the header.
const PREFIX_BYTES: u64 = 8;
/// The limit of the format.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Names of tensors that an error lists.
const NAMES_SHOWN: usize = 4;

/// Finds the rows in a file. `name` names one of several tensors.
pub(super) fn layout(input: &mut Input<'_>, name: Option<&str>) -> Result<Layout> {
    let (header, start) = read_header(input)?;
    if let Some(kind) = kind(&header) {
        let detail = format!("is a vecodec {kind} file, not data: check the order of the files");
        return Err(input.bad(detail));
    }
    let (name, info) = choose(&header, name).map_err(|detail| input.bad(detail))?;
    let kind = match info.dtype {
        Dtype::F64 => Kind::F64,
        Dtype::F32 => Kind::F32,
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::Bf16,
        Dtype::I8 => Kind::I8,
        Dtype::U8 => Kind::U8,
        other => {
            return Err(input.bad(format!(
                "its tensor {name:?} is {other:?}, and F64, F32, F16, BF16, I8 and U8 can be read: \
                 convert it to F32"
            )));
        }
    };
    let &[rows, dim] = info.shape.as_slice() else {
        return Err(input.bad(format!(
            "its tensor {name:?} has shape {:?}, and rows x values are expected: reshape it",
            info.shape
        )));
    };
    let rows_start = start.checked_add(info.data_offsets.0 as u64);
    let file_bytes = start.checked_add(header.data_len() as u64);
    let Some(rows_start) = rows_start.filter(|_| file_bytes.is_some()) else {
        return Err(input.bad("claims tensors of over 2^64 bytes: write it again"));
    };
    Ok(Layout { file_bytes, ..Layout::new(rows, dim, Cells::little(kind), rows_start) })
}

/// The kind of a file of vecodec, or none for any other safetensors file.
pub fn kind_of(path: &Path) -> Result<Option<String>> {
    match input::open(path)? {
        Opened::File(file, bytes) => {
            Ok(kind(&read_header(&mut Input::new(path, file, Some(bytes)))?.0))
        }
        // A pipe can be read once, by the reader of data.
        Opened::Pipe(_) => Ok(None),
    }
}

fn kind(header: &Metadata) -> Option<String> {
    #[derive(Deserialize)]
    struct Record {
        kind: String,
    }
    let record = header.metadata().as_ref()?.get(KEY)?;
    Some(serde_json::from_str::<Record>(record).map_or("unknown".to_owned(), |r| r.kind))
}

/// The tensor of a name. Without a name, the tensor `embeddings` or the only tensor of two dimensions.
fn choose(
    header: &Metadata,
    name: Option<&str>,
) -> std::result::Result<(String, TensorInfo), String> {
    let mut tensors: Vec<_> = header.tensors().into_iter().collect();
    if name.is_none() {
        tensors.retain(|(name, info)| name == NAME || info.shape.len() == 2);
    }
    tensors.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    match choose_name(name, &names) {
        Some(at) => Ok((names[at].to_owned(), tensors[at].1.clone())),
        None => Err(listed(name, &names, "tensors of two dimensions")),
    }
}

/// The position of a name in a list. Without a name, the position of `embeddings` or of the only name.
pub(super) fn choose_name(name: Option<&str>, names: &[&str]) -> Option<usize> {
    match (name, names) {
        (None, [_]) => Some(0),
        (name, names) => names.iter().position(|other| *other == name.unwrap_or(NAME)),
    }
}

/// Says why [`choose_name`] found none. `what` says what the names name.
pub(super) fn listed(name: Option<&str>, names: &[&str], what: &str) -> String {
    let more = if names.len() > NAMES_SHOWN { ", ..." } else { "" };
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    match (name, names.len()) {
        (_, 0) => format!("holds no {what}: save the rows as {NAME:?}"),
        (Some(name), _) => {
            format!(
                "holds no {name:?}, but {shown}{more}: choose one (FitOptions::with_tensor, --tensor NAME)"
            )
        }
        (None, count) => {
            format!(
                "holds {count} {what} ({shown}{more}): choose one (FitOptions::with_tensor, --tensor NAME)"
            )
        }
    }
}

/// The header, checked against the length of the file, and the position of the tensors.
fn read_header(input: &mut Input<'_>) -> Result<(Metadata, u64)> {
    let prefix = input.read_up_to(PREFIX_BYTES)?;
    let Ok(header_bytes) = prefix.as_slice().try_into().map(u64::from_le_bytes) else {
        let detail = format!("has {} bytes, too few for safetensors: write it again", prefix.len());
        return Err(input.bad(detail));
    };
    let claims = |input: &Input<'_>| {
        let file = input.bytes().map_or("pipe".to_owned(), |bytes| format!("file of {bytes}"));
        input.bad(format!(
            "claims a header of {header_bytes} bytes in a {file}: it is no safetensors file, or was \
             cut off"
        ))
    };
    let longest = input.bytes().map_or(u64::MAX, |bytes| bytes.saturating_sub(PREFIX_BYTES));
    if header_bytes > MAX_HEADER_BYTES.min(longest) {
        return Err(claims(input));
    }
    let header = input.read_up_to(header_bytes)?;
    if (header.len() as u64) < header_bytes {
        return Err(claims(input));
    }
    let header: Metadata = serde_json::from_slice(&header).map_err(|e| {
        input.bad(format!("its safetensors header is not valid ({e}): write it again"))
    })?;
    let start = PREFIX_BYTES + header_bytes;
    let expected = start.checked_add(header.data_len() as u64);
    match input.bytes() {
        Some(bytes) if expected != Some(bytes) => Err(input.bad(format!(
            "its header describes {} bytes of tensors behind byte {start}, and the file has \
             {bytes} bytes: it was cut off or appended to, so write it again",
            header.data_len()
        ))),
        _ => Ok((header, start)),
    }
}
