//! Alterations of a file, several of them together, and repairs after which the altered file passes
//! the checks in front of the alteration.

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::Value;

use crate::draft::{Draft, Tensor, with_header};

/// The most bytes that a repaired file may have.
const MAX_BYTES: u64 = 1 << 20;

const DTYPES: &[&str] =
    &["F32", "U8", "I8", "F16", "BF16", "F64", "U64", "I64", "I32", "BOOL", "F4", "F8_E4M3", ""];
const NAMES: &[&str] = &[
    "encoder.weight",
    "encoder.bias",
    "decoder.weight",
    "decoder.bias",
    "stream.widths",
    "stream.steps",
    "stream.table.1",
    "stream.table.2",
    "stream.table.4",
    "stream.table.8",
    "codes",
    "scales",
    "other",
];
const FIELDS: &[&str] =
    &["dim", "latent_dim", "version", "bytes", "states", "activation", "normalized_latent"];
const OTHER_FIELDS: &[&str] = &["stream", "row_scale", "kind", "model"];
const STRINGS: &[&str] = &["", "relu", "identity", "model", "codes", "tanh", "ffff"];

/// A number where sizes and offsets go wrong, or a small one.
fn number(u: &mut Unstructured<'_>) -> Result<u64> {
    let near = u64::from(u.int_in_range(0..=8u8)?);
    Ok(match u.int_in_range(0..=5u8)? {
        0 | 1 => near,
        2 => u.arbitrary::<u16>()?.into(),
        3 => (1u64 << u.int_in_range(0..=63u8)?).wrapping_add(near),
        4 => (1u64 << u.int_in_range(0..=63u8)?).wrapping_sub(near),
        _ => u64::MAX - near,
    })
}

fn value(u: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match u.int_in_range(0..=9u8)? {
        0..=5 => number(u)?.into(),
        6 => Value::Bool(u.arbitrary()?),
        7 => (*u.choose(STRINGS)?).into(),
        8 => (-(i64::from(u.arbitrary::<u8>()?))).into(),
        _ => Value::Null,
    })
}

/// A value that arithmetic trips over, or any.
fn float(u: &mut Unstructured<'_>) -> Result<f32> {
    const ODD: [f32; 10] = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        1e-45,
        -0.0,
        -1.0,
        1e30,
    ];
    if u.ratio(3, 4)? { Ok(*u.choose(&ODD)?) } else { f32::arbitrary(u) }
}

fn record_field(u: &mut Unstructured<'_>, draft: &mut Draft) -> Result<()> {
    let names = if u.ratio(3, 4)? { FIELDS } else { OTHER_FIELDS };
    let name = *u.choose(names)?;
    let inner = matches!(name, "bytes" | "states" | "row_scale");
    let target = match draft.record.get_mut("stream").and_then(Value::as_object_mut) {
        Some(bits) if inner => bits,
        _ => &mut draft.record,
    };
    match u.ratio(1, 12)? {
        true => drop(target.remove(name)),
        false => drop(target.insert(name.to_owned(), value(u)?)),
    }
    Ok(())
}

fn tensor(u: &mut Unstructured<'_>, draft: &mut Draft) -> Result<()> {
    if draft.tensors.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(draft.tensors.len())?;
    let other = u.choose_index(draft.tensors.len())?;
    let Tensor { name, dtype, shape, offsets } = &mut draft.tensors[at];
    match u.int_in_range(0..=8u8)? {
        0 | 1 => match shape.is_empty() {
            true => shape.push(number(u)?),
            false => {
                let axis = u.choose_index(shape.len())?;
                shape[axis] = number(u)?;
            }
        },
        2 => shape.push(number(u)?),
        3 => drop(shape.pop()),
        4 => *dtype = (*u.choose(DTYPES)?).to_owned(),
        5 => offsets[usize::from(u.arbitrary::<bool>()?)] = number(u)?,
        6 => *name = (*u.choose(NAMES)?).to_owned(),
        7 => {
            let copy = draft.tensors[at].clone();
            draft.tensors.insert(other, copy);
        }
        _ => drop(draft.tensors.remove(at)),
    }
    Ok(())
}

fn bytes(u: &mut Unstructured<'_>, draft: &mut Draft) -> Result<()> {
    match u.int_in_range(0..=4u8)? {
        0 => draft.data.resize(usize::from(u.arbitrary::<u16>()?), 0),
        1 | 2 if !draft.data.is_empty() => {
            let at = u.choose_index(draft.data.len())?;
            draft.data[at] = u.arbitrary()?;
        }
        _ if draft.data.len() >= 4 => {
            let at = u.choose_index(draft.data.len() / 4)? * 4;
            draft.data[at..at + 4].copy_from_slice(&float(u)?.to_le_bytes());
        }
        _ => {}
    }
    Ok(())
}

/// Alters a file up to eight times, and repairs most of what does not fit any more.
pub fn mutate(u: &mut Unstructured<'_>, draft: &mut Draft) -> Result<()> {
    for _ in 0..u.int_in_range(0..=8u8)? {
        match u.int_in_range(0..=7u8)? {
            0..=2 => record_field(u, draft)?,
            3..=5 => tensor(u, draft)?,
            _ => bytes(u, draft)?,
        }
    }
    if u.ratio(7, 8)? {
        draft.lay_out(MAX_BYTES);
    }
    if draft.record.get("kind") == Some(&"model".into()) && u.ratio(7, 8)? {
        draft.sign();
    }
    Ok(())
}

/// The file's bytes. A few have a broken header or a wrong length.
pub fn written(u: &mut Unstructured<'_>, draft: &Draft) -> Result<Vec<u8>> {
    if !u.ratio(1, 16)? {
        return Ok(draft.write());
    }
    let mut header = draft.header().into_bytes();
    let at = u.choose_index(header.len())?;
    match u.arbitrary()? {
        true => header[at] = u.arbitrary()?,
        false => drop(header.splice(at..at, u.arbitrary::<[u8; 4]>()?)),
    }
    let mut file = with_header(&header, &draft.data);
    if u.arbitrary()? {
        file[..8].copy_from_slice(&number(u)?.to_le_bytes());
    }
    Ok(file)
}
