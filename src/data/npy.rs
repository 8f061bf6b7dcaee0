//! .npy files of NumPy: a Python literal with the type, order and shape, and then the values.

use super::cells::{Cells, Kind};
use super::input::Input;
use super::layout::Layout;
use super::literal::{Dtype, Literal};
use crate::error::Result;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that NumPy reads by default. Headers of arrays have about a hundred bytes.
const MAX_HEADER_BYTES: u32 = 10_000;

/// Reads the header of an array `[rows, dim]`. `load` is the Python expression for the array.
pub(super) fn layout(input: &mut Input<'_>, load: &str) -> Result<Layout> {
    let literal = read_header(input)?;
    let start = input.position();
    let Literal { dtype, fortran_order, shape } = &literal;
    let cells = cells(dtype);
    let remedy = || remedy(&literal, load);
    let Some(cells) = cells else {
        let name = match dtype {
            Dtype::Plain(name) => name,
            Dtype::Structured => "structured",
        };
        return Err(input.bad(format!(
            "its dtype is {name}, and floats of 16 to 64 bits and integers of 8 bits can be read: {}",
            remedy()
        )));
    };
    let &[rows, dim] = shape.as_slice() else {
        return Err(input
            .bad(format!("its shape is {shape:?}, and rows x values are expected: {}", remedy())));
    };
    if *fortran_order && rows > 1 && dim > 1 {
        return Err(input.bad(format!(
            "its shape {shape:?} is in Fortran order, and rows must lie together: {}",
            remedy()
        )));
    }
    match (usize::try_from(rows), usize::try_from(dim)) {
        (Ok(rows), Ok(dim)) => Ok(Layout::new(rows, dim, cells, start)),
        _ => Err(input.bad(format!("its shape {shape:?} exceeds this machine: split it"))),
    }
}

/// Reads everything in front of the values.
fn read_header(input: &mut Input<'_>) -> Result<Literal> {
    let front = input.read_up_to(MAGIC.len() as u64 + 2)?;
    let cut_off = "its header is cut off or far too long: save the array again";
    if !front.starts_with(MAGIC) {
        return Err(input.bad("does not begin like a .npy file: save it with numpy.save"));
    }
    // Version 1 has a length field of two bytes. Later versions have four bytes.
    let len = match front.get(MAGIC.len()) {
        Some(1) => input.read_up_to(2)?.try_into().ok().map(|len| u16::from_le_bytes(len).into()),
        Some(2 | 3) => input.read_up_to(4)?.try_into().ok().map(u32::from_le_bytes),
        Some(version) => {
            let detail = format!(
                "is .npy of version {version}, and versions 1 to 3 can be read: update vecodec"
            );
            return Err(input.bad(detail));
        }
        None => None,
    };
    let Some(len) = len.filter(|len| *len <= MAX_HEADER_BYTES) else {
        return Err(input.bad(cut_off));
    };
    let text = input.read_up_to(len.into())?;
    if text.len() < len as usize {
        return Err(input.bad(cut_off));
    }
    Literal::parse(&text)
        .ok_or_else(|| input.bad("its header is not one that NumPy writes: save the array again"))
}

/// The types that can be read, in all spellings of NumPy. `ml_dtypes.bfloat16` is saved as two bytes
/// without a meaning.
fn cells(dtype: &Dtype) -> Option<Cells> {
    let Dtype::Plain(name) = dtype else { return None };
    let (big_endian, name) = match name.split_at_checked(1) {
        Some((">" | "!", name)) => (true, name),
        Some(("<" | "=" | "|", name)) => (false, name),
        _ => (false, name.as_str()),
    };
    let kind = match name {
        "f8" | "d" | "float64" | "double" | "float" => Kind::F64,
        "f4" | "f" | "float32" | "single" => Kind::F32,
        "f2" | "e" | "float16" | "half" => Kind::F16,
        "V2" | "bfloat16" => Kind::Bf16,
        "i1" | "b" | "int8" | "byte" => Kind::I8,
        "u1" | "B" | "uint8" | "ubyte" => Kind::U8,
        _ => return None,
    };
    Some(Cells { kind, big_endian: big_endian && kind.bytes() > 1 })
}

/// A line of Python that saves an array as the program reads it, in whatever it differs.
fn remedy(literal: &Literal, load: &str) -> String {
    let Literal { dtype, fortran_order, shape } = literal;
    let name = match dtype {
        Dtype::Plain(name) => name.trim_start_matches(['<', '>', '=', '|', '!']),
        Dtype::Structured => "structured",
    };
    let (mut modules, mut array) = ("numpy", load.to_owned());
    match name {
        _ if cells(dtype).is_some() => {}
        "structured" => {
            modules = "numpy, numpy.lib.recfunctions";
            array = format!("numpy.lib.recfunctions.structured_to_unstructured({array})");
        }
        // A pickle runs code when it is loaded, so only its owner can decide to load it.
        "O" | "object" => return "save an array of numbers, not of Python objects".to_owned(),
        name if name.starts_with(['U', 'S', 'a', 'M', 'm', 'V']) => {
            return "save an array of numbers".to_owned();
        }
        name if name.starts_with(['c', 'F', 'D', 'G']) => array += ".real.astype('<f4')",
        _ => array += ".astype('<f4')",
    }
    // A structured type adds a dimension of its fields.
    let fields = *dtype == Dtype::Structured;
    match shape.as_slice() {
        [_] if fields => {}
        [_, _] if !fields => {}
        [] | [_] => array += ".reshape(1, -1)",
        [.., last] if *last > 0 => array += &format!(".reshape(-1, {last})"),
        _ => return "save rows x values".to_owned(),
    }
    if *fortran_order {
        array = format!("numpy.ascontiguousarray({array})");
    }
    format!("import {modules}; numpy.save('fixed.npy', {array})")
}

/// A string literal of Python.
pub(super) fn python_string(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() => literal += &format!("\\U{:08x}", u32::from(c)),
            c => literal.push(c),
        }
    }
    literal + "'"
}
