//! Fits of data files.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use vecodec::{CancelToken, Error, ErrorKind, FitOptions, Int8Config, Model, ModelConfig};

use crate::data::Random;

const DIM: usize = 8;

fn rows(count: usize) -> Vec<f32> {
    let mut values = Random::new(81).normals(count * DIM, 1.0);
    values.chunks_mut(DIM).for_each(|row| row[0] *= 5.0);
    values
}

fn config() -> Int8Config {
    ModelConfig::int8(DIM, 3)
}

/// A .fvecs file in a folder.
fn fvecs(folder: &Path, values: &[f32]) -> PathBuf {
    let count = (DIM as u32).to_le_bytes();
    let row = |row: &[f32]| [&count, bytemuck::cast_slice::<f32, u8>(row)].concat();
    let path = folder.join("rows.fvecs");
    fs::write(&path, values.chunks(DIM).flat_map(row).collect::<Vec<u8>>()).unwrap();
    path
}

#[test]
fn a_file_gives_the_model_of_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let values = rows(700);
    let path = fvecs(folder.path(), &values);
    let (model, report) = Model::fit_file(&path, config(), FitOptions::default()).unwrap();
    assert_eq!((report.rows, report.rows_used), (700, 700));
    assert_eq!(model.fingerprint(), Model::fit(&values, config()).unwrap().fingerprint());
    // A sample of all rows is all rows, and one of fewer depends on the seed alone.
    let fit = |sample, seed| {
        let options = FitOptions::default().with_sample(sample).with_seed(seed);
        Model::fit_file(&path, config(), options).unwrap()
    };
    assert_eq!(fit(700, 3).0.fingerprint(), model.fingerprint());
    let (sampled, report) = fit(200, 3);
    assert_eq!((report.rows, report.rows_used), (700, 200));
    assert_eq!(sampled.fit_facts().unwrap().rows, 200);
    assert_eq!(fit(200, 3).0.fingerprint(), sampled.fingerprint());
    assert_ne!(fit(200, 4).0.fingerprint(), sampled.fingerprint());
}

/// Classes that take turns in the file are all in the sample, whatever the period.
#[test]
fn a_sample_of_a_file_has_all_classes() {
    let folder = tempfile::tempdir().unwrap();
    for period in [2, 3, 7, 64] {
        let mut values = Random::new(82).normals(6400 * DIM, 0.01);
        // Only every so many rows have something in the last value.
        values.chunks_mut(DIM).step_by(period).for_each(|row| row[DIM - 1] *= 100.0);
        let path = fvecs(folder.path(), &values);
        let options = FitOptions::default().with_sample(1600);
        let (model, _) = Model::fit_file(&path, ModelConfig::int8(DIM, 1), options).unwrap();
        let axis = &model.weights().unwrap().encoder;
        assert!(axis[DIM - 1].abs() > 0.9, "period {period}: {axis:?}");
    }
}

#[test]
fn one_of_several_tensors_is_chosen_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let [a, b] = [rows(90), rows(80)];
    let view = |values: &'static [f32]| {
        TensorView::new(Dtype::F32, vec![values.len() / DIM, DIM], bytemuck::cast_slice(values))
    };
    let tensors = [("a", view(a.leak()).unwrap()), ("b", view(b.leak()).unwrap())];
    safetensors::serialize_to_file(tensors, None, &path).unwrap();
    let fit = |options: FitOptions<'_>| Model::fit_file(&path, config(), options);
    assert_eq!(fit(FitOptions::default().with_tensor("b")).unwrap().1.rows, 80);
    let error = fit(FitOptions::default()).unwrap_err().to_string();
    assert!(error.contains("2 tensors") && error.contains("with_tensor"), "{error}");
    let error = fit(FitOptions::default().with_tensor("c")).unwrap_err().to_string();
    assert!(error.contains("\"c\"") && error.contains("a, b"), "{error}");
}

#[test]
fn bad_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let values = rows(300);
    let path = fvecs(folder.path(), &values);
    let fit = |config: ModelConfig, options: FitOptions<'_>| {
        Model::fit_file(&path, config, options).unwrap_err()
    };
    let error = fit(ModelConfig::int8(DIM + 1, 3).into(), FitOptions::default());
    assert_eq!(error.kind(), ErrorKind::File);
    let text = error.to_string();
    assert!(text.contains("rows.fvecs") && text.contains('8') && text.contains('9'), "{text}");
    let error = fit(ModelConfig::int8(DIM, 0).into(), FitOptions::default());
    assert!(matches!(error, Error::InvalidConfig { .. }), "{error:?}");
    let cancel = CancelToken::new();
    cancel.cancel();
    let error = fit(config().into(), FitOptions::default().with_cancel(cancel));
    assert!(matches!(error, Error::Cancelled { .. }), "{error:?}");
    let missing = Model::fit_file(folder.path().join("none.npy"), config(), FitOptions::default());
    assert!(matches!(missing.unwrap_err(), Error::Io { .. }));

    // A row is counted as in the file, also where it was drawn from more.
    let mut spoiled = values.clone();
    spoiled[250 * DIM + 5] = f32::NAN;
    fvecs(folder.path(), &spoiled);
    for sample in [300, 299] {
        let options = FitOptions::default().with_sample(sample);
        let error = fit(config().into(), options);
        assert!(matches!(error, Error::NonFinite { row: 250, column: 5, .. }), "{error:?}");
    }
    fs::write(&path, []).unwrap();
    assert_eq!(fit(config().into(), FitOptions::default()).kind(), ErrorKind::File);
    fvecs(folder.path(), &values);
    assert_eq!(Model::fit_file(&path, config(), FitOptions::default()).unwrap().1.rows, 300);
}
