//! Files of every format version ever written: they load, decode to what they decoded to, and models are
//! written again byte for byte.

use std::fs;
use std::path::PathBuf;

use vecodec::metrics::relative_mse;
use vecodec::{CodecOptions, Codes, CodesReader, CodesWriter, Model};

use crate::compare::all_agree;
use crate::engines::{codec, cpu, engine_suite};

engine_suite!(codes_decode_to_what_they_did);

const DIM: usize = 21;
const ROWS: usize = 37;

/// Names in `tests/golden`, and the fingerprints of their models.
const CASES: [(&str, &str); 14] = [
    ("v1-int8", "3805b8ee9a0e604acb950bdded48eeb6"),
    ("v1-int8-fitted", "d360ebc06b84f6705044610d10023ca8"),
    ("v1-int8-relu", "62dc4cb9f515aabccf3c510127c71591"),
    ("v1-int8-relu-normalized", "86e3fcdc936824558c2bf9de36d52203"),
    ("v2-scalar", "5974aa88fdfe63d101fc5cff7813b358"),
    ("v2-scalar-norms", "902377239e4d048681d44d8c36ac9ba4"),
    ("v2-trellis", "ec61cf9e56a66d4fd984d774ac4792ff"),
    ("v2-trellis-norms", "8e8307b0ea74a3416e13fe3f8b23b4cb"),
    ("v3-int8-ids", "3805b8ee9a0e604acb950bdded48eeb6"),
    ("v3-scalar", "53847559b8799f1734084a6f525ea384"),
    ("v3-scalar-norms-regions", "7ad35eb126732d6788a7c64b8234044e"),
    ("v3-trellis", "1d148c2ced511e9a9d777f4fb814848d"),
    ("v3-trellis-fitted", "ffc7c63d43f93ab16736b321b9224b3d"),
    ("v3-trellis-norms-regions", "385538c40547a606724c54b10b8ea664"),
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn model(name: &str) -> Model {
    Model::load(path(&format!("{name}.model.safetensors"))).unwrap()
}

fn codes(name: &str) -> Codes {
    Codes::load(path(&format!("{name}.codes.safetensors"))).unwrap()
}

fn values(name: &str) -> Vec<f32> {
    let bytes = fs::read(path(name)).unwrap();
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// The hash covers what a file says, in numbers that no change of the source may move.
#[test]
fn fingerprints_are_what_they_were() {
    for (name, fingerprint) in CASES {
        let (model, codes) = (model(name), codes(name));
        assert_eq!(model.fingerprint().to_string(), fingerprint, "{name}");
        assert_eq!(codes.fingerprint(), model.fingerprint(), "{name}");
    }
}

/// What the fit saw, in the models that keep it.
#[test]
fn facts_of_fits_are_what_they_were() {
    for (name, _) in CASES {
        let model = model(name);
        let facts = model.fit_facts();
        assert_eq!(facts.is_some(), name.ends_with("fitted"), "{name}");
        let Some(facts) = facts else { continue };
        assert_eq!((facts.rows, facts.query_exponent), (400, 0.0), "{name}");
        assert_eq!(
            (facts.min_norm, facts.max_norm),
            (1.8750818142784067, 14.861081457670645),
            "{name}"
        );
    }
}

#[test]
fn models_are_written_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    for (name, _) in CASES {
        model(name).save(&copy).unwrap();
        let golden = fs::read(path(&format!("{name}.model.safetensors"))).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), golden, "model {name}");
    }
}

/// Codes are written in the newest version, and lose nothing by it.
#[test]
fn codes_of_every_version_can_be_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    for name in CASES.map(|(name, _)| name).into_iter().chain(["v1-int8-one-scale"]) {
        let golden = codes(name);
        golden.save(&copy).unwrap();
        assert_eq!(Codes::load(&copy).unwrap(), golden, "codes {name}");
        if name.starts_with("v3") && !name.ends_with("ids") {
            let bytes = fs::read(path(&format!("{name}.codes.safetensors"))).unwrap();
            assert_eq!(fs::read(&copy).unwrap(), bytes, "codes {name}");
        }
    }
    let shared = codes("v1-int8-one-scale");
    assert_eq!(shared.scales(), [0.5]);
    assert_eq!(shared.as_bytes(), (0..50).collect::<Vec<u8>>());
}

#[test]
fn ids_are_what_they_were() {
    let ids: Vec<u64> = (0..ROWS as u64).map(|row| u64::MAX - 1000 * row).collect();
    let golden = path("v3-int8-ids.codes.safetensors");
    let (codes, found) = CodesReader::open(&golden).unwrap().read_with_ids(0..ROWS).unwrap();
    assert_eq!(found, ids);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let mut writer = CodesWriter::create(&copy, &model("v3-int8-ids")).unwrap();
    writer.append_with_ids(&codes, &ids).unwrap();
    writer.finish().unwrap();
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&golden).unwrap());
}

/// No row of these lies near a tie, so every machine finds the same 8-bit codes. The search over a
/// trellis has changed since: its codes must be as good.
#[test]
fn rows_encode_to_what_they_did() {
    for (name, _) in CASES {
        let (expected, rows) = (codes(name), values("rows.f32"));
        let codec = codec(&cpu(), &model(name));
        let found = codec.encode_flat(&rows).unwrap();
        if name.contains("trellis") {
            let error = |codes| -> Vec<f64> {
                let decoded = codec.decode_flat(codes).unwrap();
                let rows = rows.chunks(DIM).zip(decoded.chunks(DIM));
                rows.map(|(row, decoded)| relative_mse(row, decoded).unwrap()).collect()
            };
            let (found, expected) = (error(&found), error(&expected));
            for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert!(*found <= 1.02 * expected, "{name} row {row}: {found} for {expected}");
            }
            let sum = |errors: &[f64]| errors.iter().sum::<f64>();
            assert!(sum(&found) <= 1.001 * sum(&expected), "{name}: {found:?} for {expected:?}");
            continue;
        }
        assert_eq!(found.as_bytes(), expected.as_bytes(), "{name}");
        for (found, expected) in found.scales().iter().zip(expected.scales()) {
            assert!((found - expected).abs() <= 1e-5 * expected, "{name}: {found} for {expected}");
        }
    }
}

fn codes_decode_to_what_they_did(engine: &CodecOptions) {
    all_agree(|report| {
        for (name, _) in CASES {
            let (codes, expected) = (codes(name), values(&format!("{name}.decoded.f32")));
            assert_eq!((codes.row_count(), expected.len()), (ROWS, ROWS * DIM), "{name}");
            let found = codec(engine, &model(name)).decode_flat(&codes).unwrap();
            let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
            report.rows(name, &expected, &found, DIM, 1e-6);
        }
    });
}
