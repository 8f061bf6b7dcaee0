//! Files that were mixed up or made to harm: an error, never a panic, and never memory for a number
//! that the file has not earned. `bad_inputs` tries thousands more; here each has an error of its own.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use safetensors::tensor::{Dtype, TensorView};
use vecodec::{Codes, CodesReader, Error, Model};

use crate::data::Options;
use crate::files::some_codes;

/// One small file of either kind, and a place to put altered ones.
struct Fixture {
    folder: tempfile::TempDir,
    model_bytes: Vec<u8>,
    codes_bytes: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = Options::PLAIN.bias().relu().model(3, 2, 101);
        let path = folder.path().join("file");
        model.save(&path).unwrap();
        let model_bytes = fs::read(&path).unwrap();
        some_codes(&model, 5).save(&path).unwrap();
        let codes_bytes = fs::read(&path).unwrap();
        Self { folder, model_bytes, codes_bytes }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("altered");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn load_model(&self, bytes: &[u8]) -> vecodec::Result<Model> {
        Model::load(self.file(bytes))
    }

    fn load_codes(&self, bytes: &[u8]) -> vecodec::Result<Codes> {
        Codes::load(self.file(bytes))
    }
}

/// The bytes of a tensor in a safetensors file.
pub fn span_of(file: &[u8], name: &str) -> Range<usize> {
    let (header_bytes, header) = safetensors::SafeTensors::read_metadata(file).unwrap();
    let (start, end) = header.info(name).unwrap().data_offsets;
    8 + header_bytes + start..8 + header_bytes + end
}

/// A file with this text as its header.
fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// The file with one text in its header replaced, the header's length put right.
pub fn edited(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&file[8..8 + len]).unwrap();
    assert!(header.contains(from), "{from} is not in {header}");
    with_header(&header.replace(from, to), &file[8 + len..])
}

#[test]
fn one_kind_is_not_taken_for_the_other() {
    let fixture = Fixture::new();
    let error = fixture.load_model(&fixture.codes_bytes).unwrap_err();
    assert!(
        matches!(error, Error::Format { .. }) && error.to_string().contains("codes"),
        "{error}"
    );
    let error = fixture.load_codes(&fixture.model_bytes).unwrap_err();
    assert!(
        matches!(error, Error::Format { .. }) && error.to_string().contains("model"),
        "{error}"
    );

    // Somebody else's safetensors file, with tensors of the very names and shapes.
    let data = vec![0; 4 * 6];
    let view = || TensorView::new(Dtype::F32, vec![2, 3], &data).unwrap();
    let tensors = HashMap::from([("encoder.weight", view()), ("decoder.weight", view())]);
    let foreign = safetensors::serialize(tensors, None).unwrap();
    for error in [
        fixture.load_model(&foreign).unwrap_err(),
        fixture.load_codes(&foreign).unwrap_err(),
        fixture.load_model(b"not a file of ours at all, only some text").unwrap_err(),
    ] {
        assert!(matches!(error, Error::Format { .. }), "{error:?}");
    }
}

#[test]
fn newer_versions_are_refused_with_advice() {
    let fixture = Fixture::new();
    let version = "\\\"version\\\":";
    for (bytes, written) in [(&fixture.model_bytes, 1), (&fixture.codes_bytes, 3)] {
        for newer in ["9876", "0", "-1", "4294967296"] {
            let file = edited(bytes, &format!("{version}{written}"), &format!("{version}{newer}"));
            let error = match written {
                1 => fixture.load_model(&file).unwrap_err(),
                _ => fixture.load_codes(&file).unwrap_err(),
            };
            assert!(matches!(error, Error::Format { .. }), "{newer}: {error:?}");
            if newer == "9876" {
                let message = error.to_string();
                assert!(message.contains("9876") && message.contains("update"), "{message}");
            }
        }
    }
}

#[test]
fn values_that_are_no_scales_or_weights_are_refused() {
    let fixture = Fixture::new();
    let codes = span_of(&fixture.codes_bytes, "codes");
    assert_eq!(codes.len(), 5 * (2 + 4));
    for value in [f32::NAN, f32::INFINITY, -1.0] {
        let mut bytes = fixture.codes_bytes.clone();
        bytes[codes.start + 2 * 6 + 2..][..4].copy_from_slice(&value.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[codes.clone()]).to_le_bytes();
        let checksums = span_of(&bytes, "checksums");
        bytes[checksums].copy_from_slice(&checksum);
        assert!(fixture.load_codes(&bytes).is_err(), "{value}");
        let mut reader = CodesReader::open(fixture.file(&bytes)).unwrap();
        assert!(reader.read(1..3).is_err(), "{value}");
        assert_eq!(reader.read(3..5).unwrap().row_count(), 2, "the rows beside it");
    }
    let encoder = span_of(&fixture.model_bytes, "encoder.weight");
    let mut bytes = fixture.model_bytes.clone();
    bytes[encoder.start..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(fixture.load_model(&bytes).is_err());
}

/// Every number here would ask for more memory than there are addresses: to believe it is to die.
#[test]
fn hostile_headers_are_refused_before_memory_is_taken() {
    let fixture = Fixture::new();
    let dims = |bytes: &[u8], dim: &str, latent: &str| {
        let bytes = edited(bytes, "\\\"dim\\\":3", &format!("\\\"dim\\\":{dim}"));
        edited(&bytes, "\\\"latent_dim\\\":2", &format!("\\\"latent_dim\\\":{latent}"))
    };
    let huge = ["16777216", "281474976710656", "18446744073709551615", "1e30"];
    for dim in huge {
        for latent in huge {
            let model = dims(&fixture.model_bytes, dim, latent);
            assert!(fixture.load_model(&model).is_err(), "{dim} -> {latent}");
            let codes = dims(&fixture.codes_bytes, "3", latent);
            assert!(fixture.load_codes(&codes).is_err(), "{latent}");
        }
    }
    for rows in ["281474976710656", "9223372036854775807", "18446744073709551615"] {
        let codes = edited(&fixture.codes_bytes, "[5,6]", &format!("[{rows},6]"));
        assert!(fixture.load_codes(&codes).is_err(), "{rows} rows");
        let codes = edited(&codes, "[1]", &format!("[{rows}]"));
        assert!(fixture.load_codes(&codes).is_err(), "{rows} rows");
        let offsets = edited(&fixture.codes_bytes, "[0,30]", &format!("[0,{rows}]"));
        assert!(fixture.load_codes(&offsets).is_err(), "to {rows}");
    }
    // A length of the header itself that the file does not have.
    for len in [16u64, 99_000_000, 1 << 48, 1 << 63, u64::MAX] {
        let bytes = [&len.to_le_bytes()[..], b"{}"].concat();
        assert!(
            fixture.load_model(&bytes).is_err() && fixture.load_codes(&bytes).is_err(),
            "{len}"
        );
    }
    let nested = with_header(&"[".repeat(100_000), &[]);
    assert!(fixture.load_model(&nested).is_err());
}

/// Rows can hold no values at all in the header's arithmetic; a codec must not meet them.
#[test]
fn files_of_nothing_are_refused() {
    let fixture = Fixture::new();
    let codes = edited(&fixture.codes_bytes, "[5,6]", "[0,6]");
    assert!(fixture.load_codes(&codes).is_err());
    let codes = edited(&fixture.codes_bytes, "\\\"latent_dim\\\":2", "\\\"latent_dim\\\":0");
    assert!(fixture.load_codes(&codes).is_err());
    let model = edited(&fixture.model_bytes, "\\\"dim\\\":3", "\\\"dim\\\":0");
    assert!(fixture.load_model(&model).is_err());
    for bytes in [with_header("{}", &[]), with_header("", &[]), vec![]] {
        assert!(fixture.load_model(&bytes).is_err() && fixture.load_codes(&bytes).is_err());
    }
}
