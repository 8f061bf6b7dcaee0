//! What a file of codes of version 3 consists of, by `docs/format.md`.

use crc32fast::Hasher;
use safetensors::tensor::Dtype;

use crate::tensors::Spec;

/// U8 `[rows, record bytes]`: the packed codes of a row, and its scale as four bytes if it has its own.
pub(super) const CODES: &str = "codes";
/// U8 `[1 to 7]`: zeros, so that ids and checksums begin at a multiple of eight bytes.
const PADDING: &str = "padding";
/// U64 `[rows]`, if the rows have ids.
pub(super) const IDS: &str = "ids";
/// U32 `[segments]`.
pub(super) const CHECKSUMS: &str = "checksums";
/// F32 `[1]`, if all rows share a scale.
pub(super) const SCALE: &str = "scale";

pub(super) const SCALE_BYTES: usize = size_of::<f32>();
pub(super) const ID_BYTES: usize = size_of::<u64>();

/// Rows that share a checksum, in files that are written now.
pub(super) const SEGMENT_ROWS: usize = 1024;

/// More rows than any file has: the header keeps room for their digits. With ids and checksums these
/// rows stay below 2^59 bytes.
pub(super) fn max_rows(record_bytes: usize) -> usize {
    (1 << 59) / (record_bytes + 16)
}

/// The tensors of a file, in their order.
pub(super) fn specs(
    rows: usize,
    record_bytes: usize,
    has_ids: bool,
    shares_scale: bool,
) -> Vec<Spec> {
    let spec = |name, dtype, shape| Spec { name, dtype, shape };
    let mut specs = vec![spec(CODES, Dtype::U8, vec![rows, record_bytes])];
    let padding = (8 - rows * record_bytes % 8) % 8;
    if padding > 0 {
        specs.push(spec(PADDING, Dtype::U8, vec![padding]));
    }
    if has_ids {
        specs.push(spec(IDS, Dtype::U64, vec![rows]));
    }
    specs.push(spec(CHECKSUMS, Dtype::U32, vec![rows.div_ceil(SEGMENT_ROWS)]));
    if shares_scale {
        specs.push(spec(SCALE, Dtype::F32, vec![1]));
    }
    specs
}

/// The checksum of a segment of rows: CRC-32 (as in zlib and PNG) over the bytes of the scale that all
/// rows share, if they do, then the records of the segment's rows, then their ids.
pub(super) struct Checksum {
    records: Hasher,
    ids: Hasher,
}

impl Checksum {
    pub(super) fn new(scale: Option<f32>) -> Self {
        let mut records = Hasher::new();
        if let Some(scale) = scale {
            records.update(&scale.to_le_bytes());
        }
        Self { records, ids: Hasher::new() }
    }

    pub(super) fn add_records(&mut self, bytes: &[u8]) {
        self.records.update(bytes);
    }

    pub(super) fn add_ids(&mut self, bytes: &[u8]) {
        self.ids.update(bytes);
    }

    pub(super) fn finish(mut self) -> u32 {
        self.records.combine(&self.ids);
        self.records.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32: docs/format.md promises zlib's.
    #[test]
    fn checksums_are_those_of_zlib() {
        let mut checksum = Checksum::new(None);
        checksum.add_ids(b"789");
        checksum.add_records(b"1234");
        checksum.add_records(b"56");
        assert_eq!(checksum.finish(), 0xcbf4_3926);
        let mut of_scale = Checksum::new(Some(1.5));
        of_scale.add_records(b"12");
        let mut plain = Checksum::new(None);
        plain.add_records(&[&1.5f32.to_le_bytes()[..], b"12"].concat());
        assert_eq!(of_scale.finish(), plain.finish());
    }

    #[test]
    fn tensors_lie_at_multiples_of_their_values() {
        for rows in [0, 1, 3, 1024, 1025, 4099] {
            for record_bytes in [1, 5, 8, 64, 101] {
                let mut start = 0;
                for spec in specs(rows, record_bytes, true, true) {
                    let value_bytes = spec.dtype.bitsize() / 8;
                    assert_eq!(start % value_bytes, 0, "{} of {rows} rows", spec.name);
                    start += spec.shape.iter().product::<usize>() * value_bytes;
                }
            }
        }
    }
}
