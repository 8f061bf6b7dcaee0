//! .npy files of NumPy: a Python literal with the type, order and shape, and then the values.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::Path;

use npyz::{DType, NpyHeader, Order, WriteOptions, WriterBuilder as _};

use super::{Cells, Layout};
use crate::error::{CliError, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that NumPy reads by default. Headers of arrays have about a hundred bytes.
const MAX_HEADER_BYTES: usize = 10_000;

/// Reads the header of an array `[rows, dim]`.
pub(super) fn layout(path: &Path, file: &mut File, file_bytes: u64) -> Result<Layout> {
    let bad = |detail: String| CliError::file(path, detail);
    let header = read_header(path, file, file_bytes)?;
    let strange = || bad("its header is not one that NumPy writes: save the array again".into());
    let start = header.len() as u64;
    let header = NpyHeader::from_reader(Cursor::new(header)).map_err(|_| strange())?;

    let descr = match header.dtype() {
        DType::Plain(kind) => kind.to_string(),
        _ => "structured".to_owned(),
    };
    let cells = match descr.as_str() {
        "<f4" => Cells::F32,
        "<f2" => Cells::F16,
        _ => {
            return Err(bad(format!(
                "its dtype is {descr}, and <f4 and <f2 can be read: save array.astype('<f4')"
            )));
        }
    };
    let &[rows, dim] = header.shape() else {
        return Err(bad(format!(
            "its shape is {:?}, and rows x values are expected: reshape it to two dimensions",
            header.shape()
        )));
    };
    if header.order() == Order::Fortran {
        return Err(bad(format!(
            "its shape {:?} is in Fortran order, and rows must lie together: \
             save numpy.ascontiguousarray(array)",
            header.shape()
        )));
    }
    match (usize::try_from(rows), usize::try_from(dim)) {
        (Ok(rows), Ok(dim)) => Ok(Layout { rows, dim, cells, start }),
        _ => Err(strange()),
    }
}

/// Everything in front of the values. Fails on a header that would make the parser panic.
fn read_header(path: &Path, file: &mut File, file_bytes: u64) -> Result<Vec<u8>> {
    let bad = |detail: &str| CliError::file(path, detail);
    let mut header = Vec::new();
    let longest = MAX_HEADER_BYTES.min(usize::try_from(file_bytes).unwrap_or(usize::MAX));
    let read = file.take(longest as u64).read_to_end(&mut header);
    read.map_err(|e| CliError::io(path, e))?;
    if !header.starts_with(MAGIC) {
        return Err(bad("does not begin like a .npy file: save it with numpy.save"));
    }
    // Version 1 has a length field of two bytes. Later versions have four bytes.
    let text_len = match header.get(6..) {
        Some(&[1, _, a, b, ..]) => Some((10, u32::from(u16::from_le_bytes([a, b])))),
        Some(&[2..=3, _, a, b, c, d, ..]) => Some((12, u32::from_le_bytes([a, b, c, d]))),
        _ => None,
    };
    let end =
        text_len.and_then(|(at, len)| Some((at, usize::try_from(len).ok()?.checked_add(at)?)));
    let Some((start, end)) = end.filter(|(_, end)| *end <= header.len()) else {
        return Err(bad("its header is cut off or far too long: save the array again"));
    };
    header.truncate(end);
    if !is_plain(&header[start..]) {
        return Err(bad("its header is not one that NumPy writes: save the array again"));
    }
    Ok(header)
}

/// Whether a header's text is as simple as an array of numbers needs.
///
/// The parser panics if the product of a shape overflows, and recurses to the depth of the
/// brackets. A header that passes this check causes neither.
fn is_plain(text: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b" \n'\"<>|=,:()[]{}_".contains(b);
    let opens = text.iter().filter(|b| b"([{".contains(b)).count();
    let mut words = text.split(|b| !(b.is_ascii_alphanumeric() || *b == b'_'));
    let values = words.try_fold(1u64, |values, word| {
        if !word.first().is_some_and(u8::is_ascii_digit) {
            return Some(values);
        }
        let number: u64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        values.checked_mul(number.max(1))
    });
    text.iter().all(plain) && opens <= 64 && values.is_some()
}

/// The header of an `f32` array `[rows, dim]`.
pub(super) fn header(path: &Path, rows: usize, dim: usize) -> Result<Vec<u8>> {
    let kind = "<f4".parse().map_err(|e| CliError::file(path, format!("{e}")))?;
    WriteOptions::new_header_only()
        .dtype(DType::new_scalar(kind))
        .shape(&[rows as u64, dim as u64])
        .writer(Vec::new())
        .write_header_only()
        .map_err(|e| CliError::io(path, e))
}
