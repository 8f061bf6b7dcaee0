//! Rows that users have and that fits have met badly: tiny or huge, large means, one direction that
//! outweighs all others, and few rows of many values.

use std::time::{Duration, Instant};

use vecodec::metrics::relative_mse;
use vecodec::{CodecOptions, Coding, FitOptions, FitWarning, Model, ModelConfig, Regions, RowNorm};

use crate::data::Random;
use crate::engines::{codec, cpu, engine_suite};

engine_suite!(size_changes_no_relative_error, means_of_a_million_lose_no_digits);

/// Rows whose variance decays along random directions.
fn rows(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mixing = random.normals(dim * dim, (dim as f64).powf(-0.5));
    let mut out = Vec::with_capacity(count * dim);
    for _ in 0..count {
        let sources: Vec<f64> =
            (0..dim).map(|i| random.normal() / (1.0 + i as f64).sqrt()).collect();
        let mix = |w: &[f32]| w.iter().zip(&sources).map(|(w, s)| f64::from(*w) * s).sum::<f64>();
        out.extend(mixing.chunks(dim).map(mix).map(|v| v as f32));
    }
    out
}

fn error_of(engine: &CodecOptions, model: &Model, rows: &[f32]) -> f64 {
    let codec = codec(engine, model);
    let decoded = codec.decode_flat(&codec.encode_flat(rows).unwrap()).unwrap();
    relative_mse(rows, &decoded).unwrap()
}

fn size_changes_no_relative_error(engine: &CodecOptions) {
    const DIM: usize = 24;
    let all = rows(700, DIM, 31);
    for coding in [Coding::Scalar, Coding::Trellis { states: 64 }] {
        for (row_norm, regions) in
            [(RowNorm::Omit, 1), (RowNorm::Store, 1), (RowNorm::Omit, 3), (RowNorm::Store, 3)]
        {
            let config = ModelConfig::bits(DIM, 12).with_coding(coding).with_row_norm(row_norm);
            let config = config.with_regions(Regions::Count(regions));
            let error = |multiple: f32| {
                let scaled: Vec<f32> = all.iter().map(|v| v * multiple).collect();
                let (train, test) = scaled.split_at(600 * DIM);
                let model = Model::fit(train, config.clone()).unwrap();
                error_of(engine, &model, test)
            };
            let expected = error(1.0);
            for multiple in [1e-30, 1e30] {
                let found = error(multiple);
                let what = format!("{coding:?}, {row_norm:?}, {regions} regions, times {multiple}");
                assert!((found / expected - 1.0).abs() < 0.02, "{what}: {found}, not {expected}");
            }
        }
    }
}

fn means_of_a_million_lose_no_digits(engine: &CodecOptions) {
    const DIM: usize = 24;
    const MEAN: f32 = 1e6;
    // Multiples of the distance between numbers near the mean, so that adding it changes no row.
    let spacing = 0.0625;
    let plain: Vec<f32> =
        rows(700, DIM, 32).iter().map(|v| (v * 5.0 / spacing).round() * spacing).collect();
    let moved: Vec<f32> = plain.iter().map(|v| v + MEAN).collect();
    let spread: f64 = plain.iter().map(|v| f64::from(*v).powi(2)).sum();
    let bits = |coding| ModelConfig::bits(DIM, 12).with_coding(coding).with_row_norm(RowNorm::Omit);
    let configs: [ModelConfig; 3] = [
        ModelConfig::int8(DIM, 12).into(),
        bits(Coding::Scalar).into(),
        bits(Coding::Trellis { states: 64 }).into(),
    ];
    for config in configs {
        let error = |rows: &[f32]| {
            let codec = codec(engine, &Model::fit(rows, &config).unwrap());
            let decoded = codec.decode_flat(&codec.encode_flat(rows).unwrap()).unwrap();
            let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
            rows.iter().zip(&decoded).map(square).sum::<f64>() / spread
        };
        // Decoded rows and the model's mean are rounded to f32, too.
        let rounding = 2.0 * f64::from(spacing).powi(2) * plain.len() as f64 / 12.0 / spread;
        let (expected, found) = (error(&plain), error(&moved));
        assert!(found < 1.02 * expected + rounding, "{config:?}: {found}, and {expected} at zero");
    }
}

/// A value that is a thousand times larger than the others leaves 8-bit codes nothing for them: the fit
/// says so. Bit codes have bits for all.
#[test]
fn a_rogue_value_is_told_of() {
    const DIM: usize = 16;
    let mut train = rows(800, DIM, 33);
    let warned = |rows: &[f32], config: ModelConfig| {
        Model::fit_with(rows, config, FitOptions::default()).unwrap().1.warnings
    };
    let int8 = || ModelConfig::int8(DIM, 12).into();
    assert_eq!(warned(&train, int8()), []);
    train.chunks_mut(DIM).for_each(|row| row[5] *= 1000.0);
    let warnings = warned(&train, int8());
    let [warning @ FitWarning::DominantDirection { lost_share: 0.1..1.5, .. }] = &warnings[..]
    else {
        panic!("{warnings:?}");
    };
    let text = warning.to_string();
    assert!(text.contains("ModelConfig::bits"), "{text}");
    let bits = ModelConfig::bits(DIM, 16).with_row_norm(RowNorm::Omit);
    assert_eq!(warned(&train, bits.clone().into()), []);
    // The other values come back from bit codes, and not from 8-bit codes.
    let rest = |config: ModelConfig| {
        let codec = codec(&cpu(), &Model::fit(&train, config).unwrap());
        let decoded = codec.decode_flat(&codec.encode_flat(&train).unwrap()).unwrap();
        let (mut error, mut energy) = (0.0, 0.0);
        for (row, decoded) in train.chunks(DIM).zip(decoded.chunks(DIM)) {
            for i in (0..DIM).filter(|i| *i != 5) {
                error += f64::from(row[i] - decoded[i]).powi(2);
                energy += f64::from(row[i]).powi(2);
            }
        }
        error / energy
    };
    let (of_int8, of_bits) = (rest(int8()), rest(bits.into()));
    assert!(of_int8 > 0.1 && of_bits < 0.05, "{of_int8} and {of_bits}");
    // Rows of low rank lose nothing: their other directions hold rounding errors alone.
    let line: Vec<f32> = (0..800 * DIM).map(|i| (i / DIM) as f32 * (i % DIM) as f32).collect();
    assert_eq!(warned(&line, int8()), []);
}

#[test]
fn few_rows_are_told_of() {
    let train = rows(300, 16, 34);
    let warned = |rows: &[f32], config: ModelConfig| {
        Model::fit_with(rows, config, FitOptions::default()).unwrap().1.warnings
    };
    assert_eq!(warned(&train, ModelConfig::int8(16, 12).into()), []);
    let bits = || ModelConfig::bits(16, 6).with_regions(Regions::Count(1)).into();
    assert_eq!(warned(&train, bits()), []);
    for config in [ModelConfig::int8(16, 12).into(), bits()] {
        let warnings = warned(&train[..50 * 16], config);
        let [FitWarning::FewRows { rows: 50, wanted, .. }] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        let text = warnings[0].to_string();
        assert!(text.contains("50") && text.contains(&wanted.to_string()), "{text}");
    }
}

/// More bytes than the largest rates of all latents need.
#[test]
fn a_budget_that_is_not_used_is_told_of() {
    let train = rows(300, 4, 35);
    let warned = |bytes, coding| {
        let config = ModelConfig::bits(4, bytes).with_coding(coding).with_row_norm(RowNorm::Omit);
        Model::fit_with(&train, config, FitOptions::default()).unwrap().1.warnings
    };
    let trellis = Coding::Trellis { states: 64 };
    assert_eq!(warned(6, trellis), []);
    let expected = FitWarning::BudgetNotUsed { bytes: 20, used: 6 };
    assert_eq!(warned(20, trellis), [expected]);
    assert_eq!(warned(4, Coding::Scalar), []);
    let warnings = warned(9, Coding::Scalar);
    assert_eq!(warnings, [FitWarning::BudgetNotUsed { bytes: 9, used: 4 }]);
    let text = warnings[0].to_string();
    assert!(text.contains('9') && text.contains('4'), "{text}");
}

/// Fewer rows than values: the fit solves a problem of as many rows and columns as there are rows.
/// Eigenvectors of 4,096 x 4,096 take minutes.
#[test]
fn few_rows_of_many_values_are_fitted_at_once() {
    const DIM: usize = 4096;
    let train = Random::new(36).normals(100 * DIM, 1.0);
    let configs: [ModelConfig; 2] =
        [ModelConfig::int8(DIM, 64).into(), ModelConfig::bits(DIM, 64).into()];
    for config in configs {
        let start = Instant::now();
        let model = Model::fit(&train, &config).unwrap();
        let took = start.elapsed();
        println!("{took:?} for {config:?}");
        assert!(took < Duration::from_secs(5), "{took:?} for {config:?}");
        // 64 of the 99 directions that there are hold about two thirds of the variance.
        let error = error_of(&cpu(), &model, &train);
        assert!(error < 0.55, "{error} with {config:?}");
    }
}

/// Rows of a lattice lie on few lines, so that a region has latents of almost no variance, and rows far beyond it.
#[test]
fn rows_far_beyond_a_regions_variance_are_fitted() {
    let number = |i: u64| ((i * 2_654_435_761) >> 7) % 2001;
    let copied = |row: u64| if row % 7 == 6 { row / 7 } else { row };
    let values = (0..2000).flat_map(|row| (0..24).map(move |d| 24 * copied(row) + d));
    let rows: Vec<f32> = values.map(|i| number(i) as f32 / 1000.0 - 1.0).collect();
    let config = ModelConfig::bits(24, 9).with_row_norm(RowNorm::Omit);
    let error = |regions| {
        let config = config.clone().with_regions(Regions::Count(regions));
        error_of(&cpu(), &Model::fit(&rows, config).unwrap(), &rows)
    };
    let [one, four] = [1, 4].map(error);
    assert!(four < 0.1 * one, "{four}, {one}");
}
