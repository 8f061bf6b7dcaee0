//! Arguments from which no model, fit, codes or codec can be made.

use std::process::Command;

use vecodec::{CodecOptions, Codes, Engine, Error, Gpu, Model, ModelConfig, Weights};

use crate::compare::assert_error;
use crate::data::{Random, identity, model};
use crate::engines::codec;

#[test]
fn sizes_of_zero_are_refused() {
    for (config, name) in
        [(ModelConfig::int8(0, 4), "dim"), (ModelConfig::int8(4, 0), "latent_dim")]
    {
        let results = [
            Model::random(config.clone(), 1),
            Model::fit(&[0.5; 16], config.clone()),
            Model::from_weights(config, Weights::default()),
        ];
        for result in results {
            let error = result.unwrap_err();
            assert_error!(error, Error::InvalidConfig { field, value: 0, .. } if field == name, name);
        }
    }
    // Sizes whose product no machine can count must not wrap around to a small one.
    for (dim, latent) in [(usize::MAX / 2 + 1, 2), (2, usize::MAX / 2 + 1), (usize::MAX, 3)] {
        let error = Model::from_weights(ModelConfig::int8(dim, latent), Weights::default());
        assert!(error.is_err(), "{dim} -> {latent}");
    }
}

#[test]
fn weights_of_the_wrong_length_or_not_finite() {
    let good = model(ModelConfig::int8(5, 3), true, 84);
    let with = |name: &str, change: &dyn Fn(&mut Vec<f32>)| {
        let mut weights = good.weights().unwrap().clone();
        change(match name {
            "encoder.weight" => &mut weights.encoder,
            "encoder.bias" => weights.encoder_bias.as_mut().unwrap(),
            "decoder.weight" => &mut weights.decoder,
            _ => weights.decoder_bias.as_mut().unwrap(),
        });
        Model::from_weights(good.config().clone(), weights).unwrap_err()
    };
    for (name, len) in
        [("encoder.weight", 15), ("encoder.bias", 3), ("decoder.weight", 15), ("decoder.bias", 5)]
    {
        for found in [0, len - 1, len + 1] {
            assert_error!(
                with(name, &|values| values.resize(found, 0.5)),
                Error::WeightLength { tensor, expected, found: f, .. }
                    if (tensor, expected, f) == (name, len, found),
                name, &len.to_string(), &found.to_string()
            );
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_error!(
                with(name, &|values| values[len - 1] = value),
                Error::NonFiniteWeight { tensor, index, .. } if (tensor, index) == (name, len - 1),
                name, &(len - 1).to_string()
            );
        }
    }
}

#[test]
fn parts_that_do_not_make_codes_are_refused() {
    let model = model(ModelConfig::int8(8, 4), false, 85);
    let from = |scales: Vec<f32>| Codes::from_parts(&model, vec![1; 12], scales);
    for found in [0, 1, 2, 4] {
        let error = from(vec![1.0; found]).unwrap_err();
        assert_error!(
            error, Error::CodesShape { expected: 3, found: f, .. } if f == found,
            "3", &found.to_string()
        );
    }
    for value in [f32::NAN, f32::INFINITY, -1e-3] {
        let error = from(vec![1.0, 1.0, value]).unwrap_err();
        assert_error!(error, Error::InvalidScale { row: 2, .. }, "2");
        let error = Codes::from_parts(&model, vec![1; 12], value).unwrap_err();
        assert_error!(error, Error::InvalidScale { row: 0, .. }, "0");
    }
    assert_eq!(from(vec![1.0, 0.0, 2.0]).unwrap().row_count(), 3);
}

#[test]
fn rows_that_cannot_be_fitted() {
    let rows = Random::new(86).normals(8 * 6, 1.0);
    let fit = |rows: &[f32], latent| Model::fit(rows, ModelConfig::int8(6, latent));
    let error = fit(&rows, 9).unwrap_err();
    assert_error!(error, Error::TooFewRows { rows: 8, latent_dim: 9, .. }, "8", "9");
    assert_error!(fit(&[], 2).unwrap_err(), Error::EmptyBatch { dim: 6, .. }, "empty");
    let error = fit(&rows[1..], 2).unwrap_err();
    assert_error!(error, Error::FlatLength { len: 47, row_len: 6, .. }, "47", "6");
    for value in [f32::NAN, f32::INFINITY] {
        let mut rows = rows.clone();
        rows[47] = value;
        let error = fit(&rows, 2).unwrap_err();
        assert_error!(error, Error::NonFinite { row: 7, column: 5, .. }, "row 7", "column 5");
    }
    assert!(fit(&rows, 2).is_ok());
}

/// An adapter name that does not exist is refused, and the error lists the existing adapters. The
/// test runs itself in another process, because environment variables belong to a process.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn a_missing_adapter_is_reported() {
    const CHILD: &str = "VECODEC_TEST_EXISTING_ADAPTER";
    const NAME: &str = "refused::a_missing_adapter_is_reported";
    if let Ok(existing) = std::env::var(CHILD) {
        let error = Gpu::new().expect_err("there is no such adapter");
        let Error::NoAdapter { wanted, found, .. } = &error else { panic!("{error:?}") };
        assert!(wanted.contains("nosuchadapter"), "{wanted:?}");
        assert!(found.contains(&existing), "{existing:?} is not in {found:?}");
        // The CPU engine needs none.
        assert_eq!(
            codec(&crate::engines::cpu(), &identity(2)).encode(&[[1.0, 2.0]]).unwrap().row_count(),
            1
        );
        return;
    }
    let existing = codec(&crate::engines::gpu(), &identity(2)).engine().name;
    assert!(!existing.is_empty());
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, existing)
        .env("WGPU_ADAPTER_NAME", "nosuchadapter")
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

/// Many threads meet bad rows at the same time. The first of them is named.
#[test]
#[cfg_attr(miri, ignore = "takes hours under Miri")]
fn the_first_bad_row_is_named_by_many_threads() {
    let (dim, count, bad) = (16, 20_000, 11_003);
    let model = model(ModelConfig::int8(dim, 8), false, 85);
    let codec = codec(&CodecOptions::default().with_engine(Engine::Cpu), &model);
    let mut rows = vec![0.5; count * dim];
    let mut latents = vec![0.5; count * 8];
    for row in (bad..count).step_by(501) {
        rows[row * dim] = f32::NAN;
        latents[row * 8] = f32::NAN;
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(16).build().unwrap();
    for _ in 0..50 {
        let errors = pool.install(|| {
            [
                codec.encode_flat(&rows).unwrap_err(),
                codec.encode_latent(&rows).unwrap_err(),
                codec.decode_latent(&latents).unwrap_err(),
            ]
        });
        for error in errors {
            assert_error!(error, Error::NonFinite { row, .. } if row == bad, "11003");
        }
    }
}
