//! Files of models and codes: what is read equals what was written, whole or in blocks.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use vecodec::{Codes, CodesReader, CodesWriter, Error, Model, ModelConfig, RowNorm};

use crate::compare::assert_same_bits;
use crate::data::{Options, Random, identity, model};

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entry = |entry: Result<fs::DirEntry, _>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(entry).collect();
    names.sort();
    names
}

pub fn some_codes(model: &Model, rows: usize) -> Codes {
    let latent = model.config().latent_dim;
    let packed = (0..rows * latent).map(|i| (i * 31 + i / 256) as u8).collect();
    let scales: Vec<f32> = Random::new(rows as u64).normals(rows, 1.0);
    Codes::from_parts(model, packed, scales.iter().map(|s| s.abs()).collect::<Vec<_>>()).unwrap()
}

fn assert_same_model(left: &Model, right: &Model) {
    assert_eq!(left.config(), right.config());
    assert_eq!(left.weights(), right.weights());
    assert_eq!(left.fingerprint(), right.fingerprint());
}

#[test]
fn models_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for (dim, latent) in [(1, 1), (3, 2), (7, 13), (64, 16)] {
        for options in Options::EACH {
            let model = options.model(dim, latent, 91);
            model.save(&one).unwrap();
            let loaded = Model::load(&one).unwrap();
            assert_same_model(&loaded, &model);
            loaded.save(&two).unwrap();
            assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap(), "{dim} -> {latent}");
        }
    }
    // One bias without the other is a model too.
    let mut weights = model(ModelConfig::int8(4, 3), true, 92).weights().unwrap().clone();
    weights.encoder_bias = None;
    let model = Model::from_weights(ModelConfig::int8(4, 3), weights).unwrap();
    model.save(&one).unwrap();
    assert_same_model(&Model::load(&one).unwrap(), &model);
}

#[test]
fn fingerprints_distinguish_models() {
    let base = model(ModelConfig::int8(4, 3), true, 93);
    let mut weights = vec![base.weights().unwrap().clone(); 5];
    weights[0].encoder[11] = f32::from_bits(weights[0].encoder[11].to_bits() ^ 1);
    weights[1].decoder[0] *= -1.0;
    weights[2].encoder_bias = None;
    weights[3].decoder_bias = Some(vec![0.0; 4]);
    weights[4].decoder_bias = None;
    let plain = ModelConfig::int8(4, 3);
    let mut models: Vec<Model> =
        weights.into_iter().map(|w| Model::from_weights(plain.clone(), w).unwrap()).collect();
    for options in Options::NONLINEAR {
        let weights = base.weights().unwrap().clone();
        models.push(Model::from_weights(options.config(4, 3), weights).unwrap());
    }
    models.push(base);
    for (i, one) in models.iter().enumerate() {
        for other in &models[..i] {
            assert_ne!(one.fingerprint(), other.fingerprint(), "{one:?} {other:?}");
        }
    }
}

#[test]
fn raw_weights_load() {
    let folder = tempfile::tempdir().unwrap();
    let (encoder, decoder) = (folder.path().join("encoder.bin"), folder.path().join("decoder.bin"));
    let expected = Options::PLAIN.relu().model(5, 3, 94);
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    fs::write(&encoder, bytes(&expected.weights().unwrap().encoder)).unwrap();
    fs::write(&decoder, bytes(&expected.weights().unwrap().decoder)).unwrap();
    let load = || Model::load_raw(&encoder, &decoder, expected.config().clone());
    assert_same_model(&load().unwrap(), &expected);

    for path in [&encoder, &decoder] {
        let good = fs::read(path).unwrap();
        for bad in [&good[..59], &good[..56], &good[..0], &[&good[..], &[0; 4]].concat()] {
            fs::write(path, bad).unwrap();
            let error = load().unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{error:?}");
            let message = error.to_string();
            assert!(
                message.contains("60") && message.contains(&bad.len().to_string()),
                "{message}"
            );
        }
        let nan = [&good[..56], &f32::NAN.to_le_bytes()[..]].concat();
        fs::write(path, nan).unwrap();
        let error = load().unwrap_err();
        assert!(matches!(error, Error::NonFiniteWeight { index: 14, .. }), "{error:?}");
        fs::write(path, good).unwrap();
        assert_same_model(&load().unwrap(), &expected);
    }
    let zero = Model::load_raw(&encoder, &decoder, ModelConfig::int8(0, 3)).unwrap_err();
    assert!(matches!(zero, Error::InvalidConfig { field: "dim", .. }), "{zero:?}");
    fs::remove_file(&decoder).unwrap();
    assert!(matches!(load().unwrap_err(), Error::Io { path, .. } if path == decoder));
}

#[test]
fn codes_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for (latent, rows) in [(1, 1), (3, 1), (5, 67), (64, 1000)] {
        let model = Options::PLAIN.relu().normalized().model(6, latent, 95);
        let codes = some_codes(&model, rows);
        codes.save(&one).unwrap();
        let loaded = Codes::load(&one).unwrap();
        assert_eq!(loaded, codes, "{rows} rows of {latent}");
        assert_same_bits(loaded.scales(), codes.scales(), "scales");
        assert_eq!(loaded.fingerprint(), model.fingerprint());
        assert_eq!(loaded.config(), model.config());
        loaded.save(&two).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    }
}

#[test]
fn codes_of_one_scale_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    let model = identity(4);
    for rows in [2, 50, 1] {
        let codes = Codes::from_parts(&model, vec![3; rows * 4], 0.5f32).unwrap();
        codes.save(&path).unwrap();
        let loaded = Codes::load(&path).unwrap();
        assert_eq!(loaded.scales(), [0.5], "{rows} rows");
        assert_eq!(loaded, codes, "{rows} rows");
        let part = CodesReader::open(&path).unwrap().read(rows - 1..rows).unwrap();
        assert_eq!((part.row_count(), part.scales()), (1, &[0.5f32][..]));
    }
}

#[test]
fn blocks_give_the_same_file_as_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, blocks) = (folder.path().join("whole"), folder.path().join("blocks"));
    let model = Options::PLAIN.bias().relu().model(6, 5, 96);
    let codes = some_codes(&model, 101);
    codes.save(&whole).unwrap();
    let part = |start: usize, end: usize| {
        let packed = codes.as_bytes()[start * 5..end * 5].to_vec();
        Codes::from_parts(&model, packed, codes.scales()[start..end].to_vec()).unwrap()
    };
    let mut writer = CodesWriter::create(&blocks, &model).unwrap();
    for (start, end) in [(0, 1), (1, 64), (64, 101)] {
        writer.append(&part(start, end)).unwrap();
    }
    assert!(!blocks.exists(), "the file has its name before it is complete");
    writer.finish().unwrap();
    assert_eq!(fs::read(&blocks).unwrap(), fs::read(&whole).unwrap());

    let mut reader = CodesReader::open(&whole).unwrap();
    assert_eq!((reader.row_count(), reader.fingerprint()), (101, model.fingerprint()));
    assert_eq!(reader.config(), model.config());
    for (start, end) in [(0, 101), (100, 101), (0, 1), (37, 90)] {
        assert_eq!(reader.read(start..end).unwrap(), part(start, end), "{start}..{end}");
    }
    for (start, end) in [(0, 0), (100, 102), (101, 102), (5, 4), (0, usize::MAX)] {
        assert!(reader.read(start..end).is_err(), "{start}..{end}");
    }
    assert_eq!(reader.read(0..101).unwrap(), codes, "after the errors");
}

#[test]
fn a_file_may_hold_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    // With a scale per row, and without scales.
    let omitted = ModelConfig::bits(6, 2).with_row_norm(RowNorm::Omit);
    let bits = Model::fit(&Random::new(98).normals(40 * 6, 1.0), omitted).unwrap();
    for model in [identity(3), bits] {
        CodesWriter::create(&path, &model).unwrap().finish().unwrap();
        let mut reader = CodesReader::open(&path).unwrap();
        assert_eq!((reader.row_count(), reader.fingerprint()), (0, model.fingerprint()));
        let error = reader.read(0..1).err();
        assert!(matches!(error, Some(Error::RowOutOfRange { row: 0, rows: 0, .. })), "{error:?}");
        assert!(matches!(Codes::load(&path), Err(Error::EmptyBatch { .. })));
    }
}

#[test]
fn a_writer_refuses_other_codes_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    let (model, other) = (identity(3), model(ModelConfig::int8(3, 3), false, 97));
    some_codes(&model, 2).save(&path).unwrap();
    let before = fs::read(&path).unwrap();
    let untouched = || {
        assert_eq!(names(folder.path()), ["codes"], "a temporary file was left");
        assert_eq!(fs::read(&path).unwrap(), before, "the old file was touched");
    };

    let mut writer = CodesWriter::create(&path, &model).unwrap();
    writer.append(&some_codes(&model, 5)).unwrap();
    drop(writer);
    untouched();

    let mut writer = CodesWriter::create(&path, &model).unwrap();
    let error = writer.append(&some_codes(&other, 2)).unwrap_err();
    assert!(matches!(error, Error::OtherModel { .. }), "{error:?}");
    writer.append(&some_codes(&model, 4)).unwrap();
    let error = writer.append_with_ids(&some_codes(&model, 2), &[1, 2]).unwrap_err();
    assert!(matches!(error, Error::CodesShape { what: "ids", found: 2, .. }), "{error:?}");
    // Codes of one scale take their place among codes of a scale per row.
    writer.append(&Codes::from_parts(&model, vec![1; 6], 0.5f32).unwrap()).unwrap();
    assert_eq!(writer.row_count(), 6);
    untouched();
    writer.finish().unwrap();
    let mut expected = some_codes(&model, 4);
    expected.append(&Codes::from_parts(&model, vec![1; 6], 0.5f32).unwrap()).unwrap();
    assert_eq!(Codes::load(&path).unwrap(), expected, "after the errors");
}

#[test]
fn saving_replaces_whole_files_and_leaves_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let (model_path, codes_path) = (folder.path().join("model"), folder.path().join("codes"));
    let (old, new) = (identity(30), identity(2));
    old.save(&model_path).unwrap();
    some_codes(&old, 50).save(&codes_path).unwrap();
    let before = fs::read(&model_path).unwrap();
    let mut open = fs::File::open(&model_path).unwrap();

    new.save(&model_path).unwrap();
    some_codes(&new, 3).save(&codes_path).unwrap();
    assert_same_model(&Model::load(&model_path).unwrap(), &new);
    assert_eq!(Codes::load(&codes_path).unwrap(), some_codes(&new, 3));
    assert_eq!(names(folder.path()), ["codes", "model"]);
    // A reader that opened the old file still reads it to its end.
    if cfg!(unix) {
        let mut rest = Vec::new();
        open.read_to_end(&mut rest).unwrap();
        assert!(rest == before, "the old file was written over in place");
    }
}

#[test]
fn missing_folders_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("file");
    let model = identity(2);
    let errors = [
        model.save(&path).err(),
        some_codes(&model, 1).save(&path).err(),
        CodesWriter::create(&path, &model).err(),
        Model::load(&path).err(),
        Codes::load(&path).err(),
        CodesReader::open(&path).err(),
    ];
    let name = folder.path().to_str().unwrap();
    for error in errors {
        let error = error.expect("nothing is there");
        assert!(matches!(&error, Error::Io { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    for error in [Model::load(folder.path()).err(), Codes::load(folder.path()).err()] {
        let error = error.expect("a folder is no file");
        assert!(matches!(&error, Error::Format { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(names(folder.path()), [""; 0]);
}
