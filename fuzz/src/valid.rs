//! Small valid files, drawn from the input of a target.

use arbitrary::{Result, Unstructured};
use serde_json::{Value, json};

use crate::draft::{Draft, Tensor};

/// Values from a seed: the input would be too long if it held them itself.
pub struct Seeded(u64);

impl Seeded {
    /// A sequence that a seed gives.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next 64 bits (xorshift64*).
    pub fn next_bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next_bits() >> 56) as u8).collect()
    }

    /// Values between -1 and 1, some of them zero.
    pub fn values(&mut self, len: usize) -> Vec<f32> {
        let mut value = || (self.next_bits() >> 56) as u8 as i8;
        (0..len).map(|_| f32::from(value().saturating_add(1)) / 128.0).collect()
    }

    fn floats(&mut self, len: u64) -> Vec<u8> {
        self.values(len as usize).iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

fn with_record(record: Value) -> Draft {
    let record = record.as_object().cloned().unwrap_or_default();
    Draft { record, tensors: Vec::new(), data: Vec::new() }
}

/// Adds a tensor behind the others.
fn push(draft: &mut Draft, name: &str, dtype: &str, shape: &[u64], bytes: &[u8]) {
    let start = draft.data.len() as u64;
    draft.data.extend_from_slice(bytes);
    let offsets = [start, draft.data.len() as u64];
    let (name, dtype, shape) = (name.to_owned(), dtype.to_owned(), shape.to_vec());
    draft.tensors.push(Tensor { name, dtype, shape, offsets });
}

/// A model of at most 24 latents and 24 values per row.
pub fn model(u: &mut Unstructured<'_>) -> Result<Draft> {
    let (dim, latents) = (u.int_in_range(1..=24u64)?, u.int_in_range(1..=24u64)?);
    let options: u8 = u.arbitrary()?;
    let flag = |bit: u8| options >> bit & 1 == 1;
    let mut values = Seeded::new(u.arbitrary()?);
    let is_bits = flag(0);
    let mut draft = with_record(json!({
        "kind": "model",
        "version": if is_bits { 2 } else { 1 },
        "dim": dim,
        "latent_dim": latents,
        "activation": if flag(1) && !is_bits { "relu" } else { "identity" },
        "normalized_latent": flag(2) && !is_bits,
        "model": "0".repeat(32),
    }));
    push(&mut draft, "encoder.weight", "F32", &[latents, dim], &values.floats(latents * dim));
    if flag(3) {
        push(&mut draft, "encoder.bias", "F32", &[latents], &values.floats(latents));
    }
    push(&mut draft, "decoder.weight", "F32", &[dim, latents], &values.floats(latents * dim));
    if flag(4) {
        push(&mut draft, "decoder.bias", "F32", &[dim], &values.floats(dim));
    }
    if is_bits {
        bit_plan(u, &mut draft, latents, flag(5), flag(6), &mut values)?;
    }
    draft.sign();
    Ok(draft)
}

fn bit_plan(
    u: &mut Unstructured<'_>,
    draft: &mut Draft,
    latents: u64,
    is_trellis: bool,
    row_norms: bool,
    values: &mut Seeded,
) -> Result<()> {
    let state_bits = if is_trellis { u.int_in_range(1..=12u8)? } else { 0 };
    let widest = if is_trellis { state_bits.min(8) } else { 8 };
    let widths = (0..latents).map(|_| u.int_in_range(1..=widest)).collect::<Result<Vec<u8>>>()?;
    let bits: u64 = widths.iter().map(|width| u64::from(*width)).sum();
    let states = if is_trellis { json!(1 << state_bits) } else { Value::Null };
    let bytes = bits.div_ceil(8) + if row_norms { 4 } else { 0 };
    let record = json!({ "bytes": bytes, "states": states, "row_scale": row_norms });
    draft.record.insert("stream".to_owned(), record);
    for width in (1..=8).filter(|width| widths.contains(width)) {
        let entries = 1 << if is_trellis { state_bits } else { width };
        let name = format!("stream.table.{width}");
        push(draft, &name, "F32", &[entries], &values.floats(entries));
    }
    push(draft, "stream.steps", "F32", &[latents], &values.floats(latents));
    push(draft, "stream.widths", "U8", &[latents], &widths);
    Ok(())
}

/// Codes of at most 12 rows, as a model makes them.
pub fn codes(u: &mut Unstructured<'_>, model: &Draft) -> Result<Draft> {
    let mut draft = Draft { record: model.record.clone(), tensors: vec![], data: vec![] };
    draft.record.insert("kind".to_owned(), "codes".into());
    let rows = u.int_in_range(1..=12u64)?;
    let bits = model.record.get("stream");
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(1);
    let row_norms = bits.is_some_and(|bits| bits.get("row_scale") == Some(&Value::Bool(true)));
    let (dtype, row_bytes) = match bits {
        None => ("I8", number(model.record.get("latent_dim"))),
        Some(bits) => ("U8", number(bits.get("bytes")) - if row_norms { 4 } else { 0 }),
    };
    let shared = bits.is_some() && !row_norms || u.ratio(1, 4)?;
    let mut values = Seeded::new(u.arbitrary()?);
    let scales = if shared { 1 } else { rows };
    let positive = values.values(scales as usize);
    let positive: Vec<u8> = positive.iter().flat_map(|value| value.abs().to_le_bytes()).collect();
    if u.arbitrary()? {
        segments(u, &mut draft, [rows, row_bytes], shared, &positive, &mut values)?;
        return Ok(draft);
    }
    push(&mut draft, "scales", "F32", &[scales], &positive);
    push(
        &mut draft,
        "codes",
        dtype,
        &[rows, row_bytes],
        &values.bytes((rows * row_bytes) as usize),
    );
    Ok(draft)
}

/// The tensors of codes of version 3: packed codes of this shape, with these scales.
fn segments(
    u: &mut Unstructured<'_>,
    draft: &mut Draft,
    [rows, packed_bytes]: [u64; 2],
    shared: bool,
    scales: &[u8],
    values: &mut Seeded,
) -> Result<()> {
    let segment_rows = u.int_in_range(1..=5u64)?;
    draft.record.insert("version".to_owned(), 3.into());
    draft.record.insert("segment_rows".to_owned(), segment_rows.into());
    let mut records = Vec::new();
    for row in 0..rows as usize {
        records.extend(values.bytes(packed_bytes as usize));
        if !shared {
            records.extend_from_slice(&scales[4 * row..][..4]);
        }
    }
    let record_bytes = packed_bytes + if shared { 0 } else { 4 };
    push(draft, "codes", "U8", &[rows, record_bytes], &records);
    if u.arbitrary()? {
        push(draft, "ids", "U64", &[rows], &values.bytes(8 * rows as usize));
    }
    let checksums = rows.div_ceil(segment_rows);
    push(draft, "checksums", "U32", &[checksums], &vec![0; 4 * checksums as usize]);
    if shared {
        push(draft, "scale", "F32", &[1], scales);
    }
    draft.sign();
    Ok(())
}
