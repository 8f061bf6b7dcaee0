//! Configurations, files and results that ask for more memory than there is, and codes that claim to
//! be another model's: an error with both numbers before any work is done.

use std::fs;

use vecodec::{
    CodecOptions, Codes, CodesReader, CodesWriter, Error, ErrorKind, Model, ModelConfig, Regions,
    RowNorm, Weights,
};

use crate::compare::assert_error;
use crate::damage::edited;
use crate::data::Options;
use crate::engines::{codec, engine_suite};

engine_suite!(
    altered_records_of_codes_are_refused_before_any_verb,
    results_beyond_the_memory_are_refused,
);

/// A file keeps the fingerprint of its model, and says something else in its record. The tensors agree
/// with the record, so that the file can be read.
fn altered_records_of_codes_are_refused_before_any_verb(engine: &CodecOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    let model = Options::PLAIN.model(3, 4, 101);
    let codec = codec(engine, &model);
    // Read as rows of other sizes, these bytes have no scale that is refused.
    let good = Codes::from_parts(&model, vec![0; 24], vec![1.0; 6]).unwrap();
    good.save(&path).unwrap();
    let file = fs::read(&path).unwrap();
    let record = |from: &str, to: &str, file: &[u8]| {
        edited(file, &format!("\\\"{from}"), &format!("\\\"{to}"))
    };
    for (file, option, found) in [
        (record("dim\\\":3", "dim\\\":5", &file), "dim", "5"),
        (
            edited(&record("latent_dim\\\":4", "latent_dim\\\":8", &file), "[6,8]", "[4,12]"),
            "latent_dim",
            "8",
        ),
        (
            edited(&record("latent_dim\\\":4", "latent_dim\\\":2", &file), "[6,8]", "[8,6]"),
            "latent_dim",
            "2",
        ),
        (
            record("activation\\\":\\\"identity", "activation\\\":\\\"relu", &file),
            "activation",
            "Relu",
        ),
        (
            record("normalized_latent\\\":false", "normalized_latent\\\":true", &file),
            "normalized_latent",
            "true",
        ),
    ] {
        fs::write(&path, &file).unwrap();
        let codes = Codes::load(&path).unwrap();
        assert_eq!(codes.fingerprint(), model.fingerprint());
        let mut out = vec![0.0; codes.row_count() * 3];
        let mut appended = good.clone();
        let errors = [
            codec.decode(&codes).unwrap_err(),
            codec.decode_flat(&codes).unwrap_err(),
            codec.decode_flat_f16(&codes).unwrap_err(),
            codec.decode_into(&codes, &mut out).unwrap_err(),
            codec.decode_mapped(&codes).unwrap_err(),
            appended.append(&codes).unwrap_err(),
            CodesWriter::create(folder.path().join("new"), &model)
                .unwrap()
                .append(&codes)
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Model);
            let message = error.to_string();
            assert_error!(error, Error::OtherConfig { option: o, .. } if o == option, option, found);
            assert!(message.contains("the model"), "{message}");
        }
        assert_eq!(appended, good, "a refused append changes nothing");
        assert_eq!(codec.decode(&good).unwrap().len(), 6, "the codec works on");
    }
}

/// One byte per row decodes to 2^17 values: four megabytes of codes decode to two terabytes.
fn results_beyond_the_memory_are_refused(engine: &CodecOptions) {
    const DIM: usize = 1 << 17;
    let weights =
        Weights { encoder: vec![0.5; DIM], decoder: vec![0.5; DIM], ..Weights::default() };
    let model = Model::from_weights(ModelConfig::int8(DIM, 1), weights).unwrap();
    let codes = Codes::from_parts(&model, vec![1; 1 << 22], 1.0).unwrap();
    let codec = codec(engine, &model);
    let refused = [
        codec.decode(&codes).unwrap_err(),
        codec.decode_flat(&codes).unwrap_err(),
        codec.decode_flat_f16(&codes).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Memory);
        assert_error!(
            error,
            Error::HostMemory { required: 1_000_000_000_000..3_000_000_000_000, .. },
            "free"
        );
    }
    let mut views = codec.decode_mapped(&codes).unwrap();
    assert_eq!(views.next().unwrap().unwrap()[..3], [0.5; 3], "views need no memory for all rows");
    drop(views);
    assert_eq!(codec.decode_flat(&codes.slice(0..2).unwrap()).unwrap().len(), 2 * DIM);
}

#[test]
fn a_fit_beyond_the_memory_is_refused() {
    const DIM: usize = 1 << 15;
    let config = ModelConfig::bits(DIM, 512).with_regions(Regions::Count(256));
    let error = Model::fit(&vec![0.5; 2 * DIM], config).unwrap_err();
    assert_error!(error, Error::HostMemory { required: 4_000_000_000_000.., .. }, "free");
}

#[test]
fn sizes_of_configurations_that_no_model_has_do_not_overflow() {
    for size in [0, 1, 1 << 31, 1 << 60, usize::MAX] {
        for bytes in [0, 3, 1 << 60, usize::MAX] {
            let config = ModelConfig::bits(size, bytes).with_row_norm(RowNorm::Store);
            let _any_numbers = (config.code_size(), config.compression_ratio());
        }
        let config = ModelConfig::int8(size, size);
        assert_eq!(config.code_size(), size.saturating_add(4));
        assert!(config.compression_ratio() >= 0.0);
    }
}

#[test]
fn files_of_absurd_sizes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Tensors whose sizes are valid one by one, and add up to more than a file can have.
    let len = (1u64 << 63) - 1024;
    let tensor = |begin: u64, end: u64| {
        let shape = end - begin;
        format!(r#"{{"dtype":"U8","shape":[{shape}],"data_offsets":[{begin},{end}]}}"#)
    };
    let header = format!(r#"{{"a":{},"b":{}}}"#, tensor(0, len), tensor(len, u64::MAX - 1));
    let path = folder.path().join("sum");
    fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat())
        .unwrap();
    assert!(Codes::load(&path).is_err() && Model::load(&path).is_err());
}

/// A pipe has no length, and a device has no end.
#[test]
#[cfg(unix)]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let config = || ModelConfig::int8(3, 2);
    for path in [pipe.as_path(), "/dev/zero".as_ref(), "/dev/null".as_ref(), folder.path()] {
        for error in [
            Model::load(path).err().unwrap(),
            Codes::load(path).err().unwrap(),
            CodesReader::open(path).err().unwrap(),
            Model::load_raw(path, path, config()).err().unwrap(),
        ] {
            assert_error!(error, Error::Format { .. }, "regular file");
        }
    }
}
