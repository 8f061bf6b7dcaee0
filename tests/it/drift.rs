//! Rows outside the range of those that a model was fitted on, and rows whose error has grown.

use vecodec::{
    Codec, CodecOptions, Coding, EncodeOptions, Error, FitFacts, Model, ModelConfig, Objective,
    Regions, RowNorm, f16,
};

use crate::data::{Random, identity, nested};
use crate::engines::{codec, cpu, engine_suite};

engine_suite!(clipped_rows_are_counted, strict_encoding_refuses_clipped_rows, drift_is_measured);

const DIM: usize = 24;

/// Rows of norm 1 in two clusters. Within a cluster the first values vary most.
fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut values = Random::new(seed).normals(count * DIM, 0.08);
    for (number, row) in values.chunks_mut(DIM).enumerate() {
        row.iter_mut().enumerate().for_each(|(i, v)| *v /= 1.0 + i as f32 / 4.0);
        row[0] += if number % 2 == 0 { 1.0 } else { -1.0 };
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= norm);
    }
    values
}

fn scaled(rows: &[f32], scale: f32) -> Vec<f32> {
    rows.iter().map(|v| v * scale).collect()
}

fn bits(coding: Coding, regions: usize, row_norm: RowNorm) -> ModelConfig {
    let config = ModelConfig::bits(DIM, 12).with_coding(coding).with_row_norm(row_norm);
    let config = config.with_regions(Regions::Count(regions));
    config.with_objective(Objective::Reconstruction).into()
}

const TRELLIS: Coding = Coding::Trellis { states: 16 };

fn configs() -> Vec<ModelConfig> {
    let mut configs = vec![ModelConfig::int8(DIM, 10).into()];
    for coding in [Coding::Scalar, TRELLIS] {
        for regions in [1, 2] {
            configs.extend([RowNorm::Omit, RowNorm::Store].map(|n| bits(coding, regions, n)));
        }
    }
    configs
}

fn clipped(codec: &Codec, rows: &[f32]) -> (usize, Option<usize>) {
    let (codes, report) = codec.encode_flat_with(rows, EncodeOptions::default()).unwrap();
    assert_eq!(codes, codec.encode_flat(rows).unwrap(), "a report changes no code");
    assert_eq!(report.rows, codes.row_count());
    (report.clipped_rows, report.first_clipped_row)
}

fn clipped_rows_are_counted(engine: &CodecOptions) {
    let (train, test) = (rows(2000, 51), rows(500, 52));
    for config in configs() {
        let codec = codec(engine, &Model::fit(&train, &config).unwrap());
        assert_eq!(clipped(&codec, &test), (0, None), "{config:?}");
        // Half or twice the norm is within the range, and less or more is not.
        for (scale, expected) in [(0.49, 500), (2.1, 500), (7.0, 500)] {
            let (count, first) = clipped(&codec, &scaled(&test, scale));
            assert_eq!((count, first), (expected, Some(0)), "{config:?}, {scale}");
        }
        // Rows of zeros come at any time. Between two clusters they have no region.
        if config.regions() != Some(Regions::Count(2)) {
            assert_eq!(clipped(&codec, &[0.0; 3 * DIM]), (0, None), "{config:?}");
        }
        // Some rows among others, in any form.
        let mut mixed = test.clone();
        for row in [7, 300] {
            mixed[row * DIM..][..DIM].iter_mut().for_each(|v| *v *= 5.0);
        }
        assert_eq!(clipped(&codec, &mixed), (2, Some(7)), "{config:?}");
        let options = EncodeOptions::default();
        let flat = codec.encode_flat_with(&mixed, options).unwrap();
        let nested = nested(&mixed, DIM);
        assert_eq!(codec.encode_with(&nested, options).unwrap(), flat, "{config:?}");
        let future = codec.encode_with_async(&nested, options);
        assert_eq!(pollster::block_on(future).unwrap(), flat, "{config:?}");
        let half: Vec<f16> = mixed.iter().map(|v| f16::from_f32(*v)).collect();
        let future = codec.encode_flat_with_async(&half, options);
        let (_, report) = pollster::block_on(future).unwrap();
        assert_eq!(report, flat.1, "{config:?}");
    }
    // The norm is that of the fit, and a latent that hardly varies is far outside: bit codes alone have a
    // table for it.
    let mut odd = test[..DIM].to_vec();
    odd[DIM - 1] += 0.9;
    for config in configs() {
        // The axis is coded at this budget.
        let config = match config.coding() {
            Some(coding) => ModelConfig::bits(DIM, 24)
                .with_coding(coding)
                .with_row_norm(RowNorm::Omit)
                .with_regions(config.regions().unwrap_or_default())
                .into(),
            None => config,
        };
        let codec = codec(engine, &Model::fit(&train, &config).unwrap());
        let expected = if config.coding().is_some() { (1, Some(0)) } else { (0, None) };
        assert_eq!(clipped(&codec, &odd), expected, "{config:?}");
    }
}

fn strict_encoding_refuses_clipped_rows(engine: &CodecOptions) {
    let (train, mut test) = (rows(2000, 53), rows(90, 54));
    let codec = codec(engine, &Model::fit(&train, bits(TRELLIS, 2, RowNorm::Omit)).unwrap());
    let strict = EncodeOptions::default().with_strict(true);
    let (codes, report) = codec.encode_flat_with(&test, strict).unwrap();
    assert_eq!(report.clipped_rows, 0);
    for row in [30, 31, 80] {
        test[row * DIM..][..DIM].iter_mut().for_each(|v| *v *= 6.0);
    }
    for error in [
        codec.encode_flat_with(&test, strict).unwrap_err(),
        codec.encode_with(&nested(&test, DIM), strict).unwrap_err(),
        pollster::block_on(codec.encode_flat_with_async(&test, strict)).unwrap_err(),
    ] {
        assert!(matches!(error, Error::ClippedRows { row: 30, count: 3, rows: 90, .. }), "{error}");
    }
    // The codec works on.
    assert_eq!(codec.encode_flat(&test[..30 * DIM]).unwrap(), codes.slice(0..30).unwrap());
    // Other errors stay what they are.
    test[4] = f32::NAN;
    let error = codec.encode_flat_with(&test, strict).unwrap_err();
    assert!(matches!(error, Error::NonFinite { row: 0, column: 4, .. }), "{error}");
}

fn drift_is_measured(engine: &CodecOptions) {
    let (train, test) = (rows(3000, 55), rows(2000, 56));
    for config in configs() {
        let codec = codec(engine, &Model::fit(&train, &config).unwrap());
        let same = codec.check_flat(&test).unwrap();
        assert!((0.9..1.1).contains(&same.ratio()), "{config:?}: {same:?}");
        assert_eq!((same.rows, same.clipped_rows), (2000, 0), "{config:?}");
        let (_, metrics) = codec.evaluate(&nested(&test, DIM)).unwrap();
        let relative = same.relative_mse / metrics.relative_mse - 1.0;
        assert!(relative.abs() < 1e-6, "{config:?}: {same:?} and {metrics:?}");
        // Another order of the values is another kind of rows, of the same norms.
        let other: Vec<f32> = test.chunks(DIM).flat_map(|row| row.iter().rev().copied()).collect();
        let drift = codec.check(&nested(&other, DIM)).unwrap();
        assert!(drift.ratio() > 2.0, "{config:?}: {drift:?}");
        // All forms, and the sum of two parts.
        assert_eq!(codec.check_flat(&other).unwrap(), drift, "{config:?}");
        let future = pollster::block_on(codec.check_async(&nested(&other, DIM))).unwrap();
        assert_eq!(future, drift, "{config:?}");
        let [first, second] =
            [&other[..700 * DIM], &other[700 * DIM..]].map(|p| codec.check_flat(p).unwrap());
        let merged = first.merged(second);
        assert!((merged.relative_mse / drift.relative_mse - 1.0).abs() < 1e-9, "{config:?}");
        assert_eq!(
            (merged.rows, merged.clipped_rows, merged.first_clipped_row),
            (drift.rows, drift.clipped_rows, drift.first_clipped_row),
            "{config:?}"
        );
        let half: Vec<f16> = other.iter().map(|v| f16::from_f32(*v)).collect();
        let half = pollster::block_on(codec.check_flat_async(&half)).unwrap();
        assert!((half.relative_mse / drift.relative_mse - 1.0).abs() < 0.01, "{config:?}");
    }
}

#[test]
fn facts_of_a_fit_are_those_of_its_rows() {
    let mut train = rows(500, 57);
    train[..DIM].iter_mut().for_each(|v| *v *= 3.0);
    train[DIM..2 * DIM].iter_mut().for_each(|v| *v *= 0.25);
    train[2 * DIM..3 * DIM].fill(0.0);
    for config in configs() {
        let model = Model::fit(&train, &config).unwrap();
        let FitFacts { rows, relative_mse, min_norm, max_norm, .. } = *model.fit_facts().unwrap();
        assert_eq!(rows, 500, "{config:?}");
        assert!((min_norm - 0.25).abs() < 1e-6 && (max_norm - 3.0).abs() < 1e-6, "{config:?}");
        assert!(relative_mse > 0.0 && relative_mse < 0.5, "{config:?}: {relative_mse}");
    }
}

/// A fit of few rows has too small an error on these rows. What it says of new rows is near the truth: the
/// mean over several fits, because few rows are held out.
#[test]
fn the_error_of_a_fit_is_that_of_new_rows() {
    const FITS: u64 = 12;
    let test = rows(3000, 59);
    for config in [ModelConfig::int8(DIM, 10).into(), bits(TRELLIS, 2, RowNorm::Omit)] {
        let (mut said, mut on_fitted) = (0.0, 0.0);
        for seed in 0..FITS {
            let train = rows(200, 60 + seed);
            let codec = codec(&cpu(), &Model::fit(&train, &config).unwrap());
            let new = codec.check_flat(&test).unwrap();
            said += new.fitted_relative_mse / new.relative_mse / FITS as f64;
            let fitted = codec.check_flat(&train).unwrap();
            on_fitted += fitted.relative_mse / new.relative_mse / FITS as f64;
        }
        assert!((said - 1.0).abs() < 0.1, "{config:?}: {said}");
        assert!(on_fitted < said - 0.05, "{config:?}: {on_fitted} and {said}");
    }
}

#[test]
fn a_model_without_facts_counts_by_latents_alone() {
    let codec = codec(&cpu(), &identity(4));
    assert_eq!(codec.model().fit_facts(), None);
    let error = codec.check_flat(&[1.0f32; 8]).unwrap_err();
    assert!(matches!(error, Error::NoFitFacts { .. }), "{error:?}");
    assert_eq!(clipped(&codec, &[1e9; 8]), (0, None));
}

/// Most latents of such rows are rounding.
#[test]
fn rows_of_low_rank_are_not_clipped() {
    let mut random = Random::new(91);
    let plane = [random.normals(DIM, 1.0), random.normals(DIM, 1.0)];
    let mut train = Vec::new();
    for _ in 0..1500 {
        let [a, b] = [random.normal() as f32, random.normal() as f32];
        train.extend(plane[0].iter().zip(&plane[1]).map(|(p, q)| a * p + b * q));
    }
    for coding in [Coding::Scalar, TRELLIS, Coding::Trellis { states: 256 }] {
        let config = ModelConfig::bits(DIM, 24).with_coding(coding).with_row_norm(RowNorm::Omit);
        let codec = codec(&cpu(), &Model::fit(&train, config.clone()).unwrap());
        let by_latents = |row: &[f32]| clipped(&codec, row).0 == 1;
        let facts = codec.model().fit_facts().unwrap().clone();
        for row in train.chunks(DIM) {
            let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            if norm > facts.min_norm / 2.0 {
                assert!(!by_latents(row), "{coding:?}: {row:?}");
            }
        }
    }
}

/// Rows of zeros have no energy, and an error where the fit has a mean.
#[test]
fn rows_of_zeros_leave_no_figure_undefined() {
    let mut train = rows(15, 92);
    train.iter_mut().step_by(DIM).for_each(|v| *v = v.abs());
    for row in 0..15 {
        // Whichever row is held out.
        let mut train = train.clone();
        train[row * DIM..][..DIM].fill(0.0);
        for config in configs() {
            let model = Model::fit(&train, &config).unwrap();
            let facts = model.fit_facts().unwrap();
            assert!(facts.relative_mse.is_finite(), "{config:?}: {facts:?}");
            let folder = tempfile::tempdir().unwrap();
            model.save(folder.path().join("model")).unwrap();
            assert_eq!(Model::load(folder.path().join("model")).unwrap().fit_facts(), Some(facts));
        }
    }
    let train = rows(2000, 93);
    let codec = codec(&cpu(), &Model::fit(&train, bits(TRELLIS, 2, RowNorm::Omit)).unwrap());
    let zeros = codec.check_flat(&[0.0; 3 * DIM]).unwrap();
    assert!(zeros.ratio().is_infinite(), "{zeros:?}");
    let same = codec.check_flat(&train).unwrap();
    let both = zeros.merged(same);
    let all = codec.check_flat(&[&[0.0; 3 * DIM], &train[..]].concat()).unwrap();
    assert!((both.relative_mse / all.relative_mse - 1.0).abs() < 1e-9, "{both:?} and {all:?}");
    assert!(both.relative_mse > same.relative_mse);
}

#[test]
fn errors_of_rounding_are_no_drift() {
    // Rows on a line, which one latent codes without an error.
    let line: Vec<f32> = (0..400).flat_map(|i| [i as f32; 4]).collect();
    let codec = codec(&cpu(), &Model::fit(&line, ModelConfig::int8(4, 1)).unwrap());
    let drift = codec.check_flat(&line).unwrap();
    assert!(drift.relative_mse < 1e-12 && (drift.ratio() - 1.0).abs() < 1e-9, "{drift:?}");
}
