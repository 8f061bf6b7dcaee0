//! A safetensors file in parts that can be altered one by one, and written whether or not the parts
//! fit each other. The integration tests share this file.

use serde_json::{Map, Value, json};

/// One entry of the header.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The name, which need not be unique.
    pub name: String,
    /// The type, as the header spells it.
    pub dtype: String,
    /// The shape.
    pub shape: Vec<u64>,
    /// Where the bytes begin and end in the data.
    pub offsets: [u64; 2],
}

/// A file that is not yet written.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The JSON object under the metadata key `vecodec`.
    pub record: Map<String, Value>,
    /// The tensors, in the header's order.
    pub tensors: Vec<Tensor>,
    /// What follows the header.
    pub data: Vec<u8>,
}

impl Draft {
    /// Takes a file apart, if it has a header that can be read.
    pub fn parse(file: &[u8]) -> Option<Self> {
        let len = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
        let header = file.get(8..8usize.checked_add(len)?)?;
        let header: Map<String, Value> = serde_json::from_slice(header).ok()?;
        let record = header.get("__metadata__")?.get("vecodec")?.as_str()?;
        let record = serde_json::from_str(record).ok()?;
        let mut tensors = Vec::new();
        for (name, info) in header.iter().filter(|(name, _)| *name != "__metadata__") {
            let numbers = |key: &str| -> Option<Vec<u64>> {
                info.get(key)?.as_array()?.iter().map(Value::as_u64).collect()
            };
            tensors.push(Tensor {
                name: name.clone(),
                dtype: info.get("dtype")?.as_str()?.to_owned(),
                shape: numbers("shape")?,
                offsets: numbers("data_offsets")?.try_into().ok()?,
            });
        }
        tensors.sort_by_key(|tensor| tensor.offsets);
        Some(Self { record, tensors, data: file[8 + len..].to_vec() })
    }

    /// The first tensor of this name.
    pub fn tensor(&mut self, name: &str) -> Option<&mut Tensor> {
        self.tensors.iter_mut().find(|tensor| tensor.name == name)
    }

    /// The bytes of the first tensor of this name, if the data has them.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let [start, end] = self.tensors.iter().find(|tensor| tensor.name == name)?.offsets;
        self.data.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// The header's JSON.
    pub fn header(&self) -> String {
        let record = Value::Object(self.record.clone()).to_string();
        let mut header = format!("{{\"__metadata__\":{}", json!({ "vecodec": record }));
        for Tensor { name, dtype, shape, offsets } in &self.tensors {
            let info = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
            header += &format!(",{}:{info}", Value::String(name.clone()));
        }
        header + "}"
    }

    /// The file's bytes.
    pub fn write(&self) -> Vec<u8> {
        with_header(self.header().as_bytes(), &self.data)
    }

    /// Lays the tensors out one behind the other, each as long as its type and shape say, and
    /// cuts or fills the data to that length. Does nothing where they need more than `max` bytes.
    pub fn lay_out(&mut self, max: u64) {
        let mut data = Vec::new();
        let mut spans = Vec::new();
        for tensor in &self.tensors {
            let product = |product: u64, size: &u64| product.checked_mul(*size);
            let Some(values) = tensor.shape.iter().try_fold(1, product) else { return };
            let start = data.len() as u64;
            let size = value_bytes(&tensor.dtype);
            let Some(end) = values.checked_mul(size).and_then(|len| len.checked_add(start)) else {
                return;
            };
            if end > max {
                return;
            }
            let old = usize::try_from(tensor.offsets[0]).ok().and_then(|at| self.data.get(at..));
            data.extend_from_slice(
                old.map_or(&[], |old| &old[..old.len().min((end - start) as usize)]),
            );
            data.resize(end as usize, 0);
            spans.push([start, end]);
        }
        self.tensors.iter_mut().zip(spans).for_each(|(tensor, span)| tensor.offsets = span);
        self.data = data;
    }

    /// Writes a model's fingerprint into the record, or the checksums of codes into their tensor,
    /// computed as `docs/format.md` says. Does nothing where the record or the tensors have no sizes
    /// to compute them from.
    pub fn sign(&mut self) {
        if self.record.get("kind").is_some_and(|kind| kind == "codes") {
            let _unsigned = self.sign_codes();
        } else if let Some(fingerprint) = self.fingerprint() {
            self.record.insert("model".to_owned(), fingerprint.into());
        }
    }

    fn sign_codes(&mut self) -> Option<()> {
        let segment_rows = usize::try_from(self.record.get("segment_rows")?.as_u64()?).ok()?;
        let row_bytes = usize::try_from(*self.tensor("codes")?.shape.get(1)?).ok()?;
        let codes = self.bytes("codes")?;
        let scale = self.bytes("scale").unwrap_or_default();
        if segment_rows == 0 || row_bytes == 0 {
            return None;
        }
        let segment_bytes = segment_rows.saturating_mul(row_bytes);
        let id_bytes = segment_rows.saturating_mul(8);
        let mut ids = self.bytes("ids").unwrap_or_default().chunks(id_bytes);
        let mut checksums = Vec::new();
        for records in codes.chunks(segment_bytes) {
            let covered = [scale, records, ids.next().unwrap_or_default()].concat();
            checksums.extend(crc32fast::hash(&covered).to_le_bytes());
        }
        let [start, end] = self.tensor("checksums")?.offsets;
        let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
        let old = self.data.get_mut(range).filter(|old| old.len() == checksums.len())?;
        old.copy_from_slice(&checksums);
        Some(())
    }

    fn fingerprint(&self) -> Option<String> {
        if let Some(bits) = self.record.get("bits").filter(|bits| !bits.is_null()) {
            return self.fingerprint_of_regions(bits);
        }
        let mut hasher = blake3::Hasher::new();
        for size in ["dim", "latent_dim"] {
            hasher.update(&self.record.get(size)?.as_u64()?.to_le_bytes());
        }
        let relu = self.record.get("activation")?.as_str()? == "relu";
        let normalized = self.record.get("normalized_latent")?.as_bool()?;
        hasher.update(&[u8::from(relu), u8::from(normalized)]);
        for name in ["encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"] {
            if let Some(bytes) = self.bytes(name) {
                hasher.update(name.as_bytes()).update(bytes);
            }
        }
        if let Some(bits) = self.record.get("stream").filter(|bits| !bits.is_null()) {
            let window = match bits.get("states")? {
                Value::Null => 0,
                states => states.as_u64()?.trailing_zeros() as u8,
            };
            let norm = if bits.get("row_scale")?.as_bool()? { 2 } else { 1 };
            hasher.update(b"bits").update(&[window, norm]);
            hasher.update(self.bytes("stream.widths")?).update(self.bytes("stream.steps")?);
            for width in 1..=8 {
                hasher.update(self.bytes(&format!("stream.table.{width}")).unwrap_or_default());
            }
        }
        self.hash_facts(&mut hasher);
        Some(first_bytes(&hasher))
    }

    /// What the fit saw, in models of every version that keep it.
    fn hash_facts(&self, hasher: &mut blake3::Hasher) {
        if let Some(bytes) = self.bytes("fitted") {
            hasher.update(b"fitted").update(bytes);
        }
    }

    /// Of version 3.
    fn fingerprint_of_regions(&self, bits: &Value) -> Option<String> {
        let (dim, regions) = (self.record.get("dim")?.as_u64()?, bits.get("regions")?.as_u64()?);
        let stores_norms = bits.get("row_norm")?.as_bool()?;
        let packed = bits.get("bytes")?.as_u64()?.saturating_sub(4 * u64::from(stores_norms));
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"regions");
        for size in [dim, packed, regions] {
            hasher.update(&size.to_le_bytes());
        }
        let state_bits = match bits.get("states")? {
            Value::Null => 0,
            states => states.as_u64()?.trailing_zeros() as u8,
        };
        hasher.update(&[state_bits, 1 + u8::from(stores_norms)]);
        let first = ["centroids", "basis", "steps", "latents", "bits", "counts"];
        let rates = ["12", "11", "10", "9", "8", "7", "6", "5", "4", "3", "2", "1.5", "1", "0.5"];
        let tables = rates.map(|rate| format!("table.{rate}"));
        let last = ["distortions", "rest_shares", "shortlist"];
        let names = first.into_iter().chain(tables.iter().map(String::as_str)).chain(last);
        for name in names {
            if let Some(bytes) = self.bytes(name) {
                hasher.update(name.as_bytes()).update(bytes);
            }
        }
        self.hash_facts(&mut hasher);
        Some(first_bytes(&hasher))
    }
}

fn first_bytes(hasher: &blake3::Hasher) -> String {
    let hash = hasher.finalize();
    hash.as_bytes()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of a value of this type; 4 for types that are not known.
pub fn value_bytes(dtype: &str) -> u64 {
    match dtype {
        "BOOL" | "U8" | "I8" | "F8_E4M3" => 1,
        "I16" | "U16" | "F16" | "BF16" => 2,
        "I64" | "U64" | "F64" => 8,
        _ => 4,
    }
}

/// A file with these bytes as its header.
pub fn with_header(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}
