//! The headers of data files.

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::ValueType;

/// What a .npy file of version 1 begins with.
const NPY_FRONT: &[u8] = b"\x93NUMPY\x01\x00";
/// The name of the tensor in a safetensors file.
const NAME: &str = "embeddings";

/// The type of values as NumPy names it.
pub(super) fn descr(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::F32 => "<f4",
        ValueType::F16 => "<f2",
    }
}

/// The header of an array `[rows, dim]`, as NumPy writes it.
pub(super) fn npy(rows: usize, dim: usize, descr: &str) -> Vec<u8> {
    let text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let front = NPY_FRONT.len() + 2;
    // Readers that map the file want the values aligned.
    let end = (front + text.len() + 1).next_multiple_of(64);
    let mut header = [NPY_FRONT, &((end - front) as u16).to_le_bytes()].concat();
    header.extend(format!("{text:<0$}\n", end - front - 1).bytes());
    header
}

/// The header of a file that holds one tensor, `embeddings` `[rows, dim]`, or none where its size
/// exceeds any file.
pub(super) fn safetensors(rows: usize, dim: usize, value_type: ValueType) -> Option<Vec<u8>> {
    let bytes = rows.checked_mul(dim)?.checked_mul(value_type.bytes())?;
    let dtype = match value_type {
        ValueType::F32 => Dtype::F32,
        ValueType::F16 => Dtype::F16,
    };
    let info = TensorInfo { dtype, shape: vec![rows, dim], data_offsets: (0, bytes) };
    let header = Metadata::new(None, vec![(NAME.to_owned(), info)]).ok()?;
    let mut text = serde_json::to_vec(&header).ok()?;
    // Readers that map the file want the values aligned.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend(text);
    Some(header)
}

/// The header of a .fbin file, or none where the numbers do not fit.
pub(super) fn bins(rows: usize, dim: usize) -> Option<Vec<u8>> {
    let (rows, dim) = (u32::try_from(rows).ok()?, u32::try_from(dim).ok()?);
    Some([rows.to_le_bytes(), dim.to_le_bytes()].concat())
}
