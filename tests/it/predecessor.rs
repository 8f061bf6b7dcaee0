//! The tests of the predecessor, the codec that this library replaces, and a test for each of its
//! faults. The name of such a test states the fault.

use vecodec::{Activation, CodecOptions, Codes, Error, Model, ModelConfig, Weights};

use crate::compare::{ATOL, RTOL, all_agree, assert_same_bits};
use crate::data::{Case, Options, Random, identity, model};
use crate::engines::{codec, engine_suite};
use crate::oracle;

engine_suite!(
    presets_encode_and_decode,
    identity_weights_lose_half_a_level_at_most,
    empty_and_misshapen_input_is_refused,
    fault_scales_averaged_over_the_batch,
    fault_biases_not_loadable,
    fault_latent_above_128,
    fault_dims_not_divisible_by_4,
    fault_batch_above_64_mib,
    fault_codes_cannot_be_saved,
    fault_norm_lost_under_latent_normalisation,
    fault_relu_differs_between_kernels,
    fault_scale_zero_differs_between_kernels,
);

#[test]
fn presets_have_their_sizes_and_ratios() {
    let preset = ModelConfig::from(ModelConfig::high_compression(768));
    assert_eq!((preset.dim, preset.latent_dim), (768, 64));
    assert!(preset.activation() == Activation::Relu && preset.normalized_latent());
    assert_eq!(preset.compression_ratio(), 768.0 * 4.0 / 68.0);
    let preset = ModelConfig::from(ModelConfig::balanced(768));
    assert_eq!((preset.dim, preset.latent_dim), (768, 128));
    assert!(preset.activation() == Activation::Relu && !preset.normalized_latent());
    assert_eq!(preset.compression_ratio(), 768.0 * 4.0 / 132.0);
    let preset = ModelConfig::from(ModelConfig::minilm());
    assert_eq!((preset.dim, preset.latent_dim), (384, 64));
    assert!(preset.activation() == Activation::Relu && !preset.normalized_latent());
    assert_eq!(preset.compression_ratio(), 384.0 * 4.0 / 68.0);
    let plain = ModelConfig::from(ModelConfig::int8(5, 3));
    assert!(plain.activation() == Activation::Identity && !plain.normalized_latent());
    assert_eq!(plain.compression_ratio(), 20.0 / 7.0);
}

#[test]
fn random_weights_fill_the_xavier_bound_by_seed() {
    let config = ModelConfig::minilm();
    let model = Model::random(config.clone(), 42).unwrap();
    let weights = model.weights().unwrap();
    assert_eq!((weights.encoder.len(), weights.decoder.len()), (64 * 384, 384 * 64));
    assert_eq!((&weights.encoder_bias, &weights.decoder_bias), (&None, &None));
    let bound = (6.0f64 / (384.0 + 64.0)).sqrt();
    for values in [&weights.encoder, &weights.decoder] {
        let values = oracle::widened(values);
        let (len, sum) = (values.len() as f64, values.iter().sum::<f64>());
        let largest = values.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        let variance = values.iter().map(|v| v * v).sum::<f64>() / len;
        assert!(largest <= bound * (1.0 + 1e-6) && largest > 0.99 * bound, "{largest} of {bound}");
        // A uniform distribution: its variance is bound^2 / 3, and its mean is 0.
        assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.05, "variance {variance}");
        assert!((sum / len).abs() < 5.0 * (variance / len).sqrt(), "mean {}", sum / len);
    }
    assert_ne!(weights.encoder, weights.decoder);
    let (same, other) = (Model::random(config.clone(), 42), Model::random(config, 43));
    assert_eq!(same.unwrap().fingerprint(), model.fingerprint());
    let other = other.unwrap();
    assert_ne!(other.fingerprint(), model.fingerprint());
    assert_ne!(other.weights().unwrap().encoder, weights.encoder);
}

fn presets_encode_and_decode(engine: &CodecOptions) {
    let presets =
        [ModelConfig::high_compression(768), ModelConfig::balanced(768), ModelConfig::minilm()];
    for (seed, preset) in presets.map(ModelConfig::from).into_iter().enumerate() {
        let (dim, latent) = (preset.dim, preset.latent_dim);
        let codec = codec(engine, &Model::random(preset, seed as u64).unwrap());
        let rows: Vec<_> = Random::new(seed as u64).normals(50 * dim, 0.1);
        let rows: Vec<&[f32]> = rows.chunks(dim).collect();
        let codes = codec.encode(&rows).unwrap();
        assert_eq!((codes.row_count(), codes.code_size()), (50, latent + 4));
        let stored = codes.as_bytes().len() + 4 * codes.scales().len();
        assert!((50 * dim * 4) as f64 / stored as f64 > 10.0);
        let (decoded, metrics) = codec.evaluate(&rows).unwrap();
        assert!(decoded.iter().flatten().all(|v| v.is_finite()));
        assert!(metrics.compression_ratio > 10.0);
        assert!(metrics.mse > 0.0 && metrics.max_error.powi(2) >= metrics.mse);
        assert!((-1.0..=1.0).contains(&metrics.mean_cosine));
        assert!(metrics.snr_db.is_finite());
    }
}

/// The error of a value is at most half a quantisation step, plus rounding.
fn assert_half_a_level(engine: &CodecOptions, dim: usize) {
    let codec = codec(engine, &identity(dim));
    let rows = Random::new(dim as u64).normals(33 * dim, 2.0);
    let codes = codec.encode_flat(&rows).unwrap();
    let decoded = codec.decode_flat(&codes).unwrap();
    for (i, (x, y)) in rows.iter().zip(&decoded).enumerate() {
        let scale = codes.scales()[i / dim];
        assert!((x - y).abs() <= scale * 0.5001, "dim {dim}, value {i}: {x} came back as {y}");
    }
}

fn identity_weights_lose_half_a_level_at_most(engine: &CodecOptions) {
    [4, 64, 128].into_iter().for_each(|dim| assert_half_a_level(engine, dim));
}

fn empty_and_misshapen_input_is_refused(engine: &CodecOptions) {
    let codec = codec(engine, &model(ModelConfig::int8(8, 4), false, 1));
    assert!(matches!(codec.encode::<Vec<f32>>(&[]), Err(Error::EmptyBatch { .. })));
    let error = codec.encode(&[vec![0.5; 9]]).unwrap_err();
    assert!(matches!(error, Error::RowLength { row: 0, expected: 8, found: 9, .. }), "{error}");
    let error = codec.encode(&[vec![0.5; 8], vec![0.5; 7]]).unwrap_err();
    assert!(matches!(error, Error::RowLength { row: 1, expected: 8, found: 7, .. }), "{error}");
    assert_eq!(codec.encode(&[vec![0.5; 8]]).unwrap().row_count(), 1);
}

fn fault_scales_averaged_over_the_batch(engine: &CodecOptions) {
    let codec = codec(engine, &identity(3));
    let rows = [[1.0f32, -0.5, 0.25], [1e6, 5e5, -2e5], [1e-6, 1e-6, 3e-7]];
    let codes = codec.encode(&rows).unwrap();
    let decoded = codec.decode(&codes).unwrap();
    for (i, row) in rows.iter().enumerate() {
        let alone = codec.encode(&[row]).unwrap();
        assert_eq!(codes.scales()[i], alone.scales()[0], "row {i}");
        let step = row[0] / 127.0;
        assert!((codes.scales()[i] - step).abs() <= 1e-5 * step, "row {i}");
        for (x, y) in row.iter().zip(&decoded[i]) {
            assert!((x - y).abs() <= step * 0.5001, "row {i}: {x} came back as {y}");
        }
    }
}

fn fault_biases_not_loadable(engine: &CodecOptions) {
    let model = Options::PLAIN.bias().relu().model(6, 4, 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    let loaded = Model::load(&path).unwrap();
    assert_eq!(loaded.weights().unwrap(), model.weights().unwrap());
    assert!(
        loaded.weights().unwrap().encoder_bias.is_some()
            && loaded.weights().unwrap().decoder_bias.is_some()
    );
    let rows = Random::new(3).normals(20 * 6, 1.0);
    let codec = codec(engine, &loaded);
    let codes = codec.encode_flat(&rows).unwrap();
    all_agree(|report| {
        report.codes("biases", &oracle::encode(&model, &rows), &codes);
        let decoded = codec.decode_flat(&codes).unwrap();
        report.rows("biases", &oracle::decode(&model, &codes), &decoded, 6, ATOL);
    });
}

fn fault_latent_above_128(engine: &CodecOptions) {
    [129, 255, 300, 513].into_iter().for_each(|dim| assert_half_a_level(engine, dim));
}

fn fault_dims_not_divisible_by_4(engine: &CodecOptions) {
    [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 31, 97].into_iter().for_each(|dim| {
        assert_half_a_level(engine, dim);
    });
}

/// 92 MB of rows: a short batch repeated, each time scaled by another power of two. The results of
/// the short batch therefore give all expected results.
fn fault_batch_above_64_mib(engine: &CodecOptions) {
    const ROWS: usize = 30_000;
    let case = Case::new(768, 32, 500).relu();
    let model = case.model();
    let short = case.rows(&model);
    let power = |row: usize| 2f32.powi((row / case.rows) as i32 - 30);
    let mut rows = Vec::with_capacity(ROWS * case.dim);
    for row in 0..ROWS {
        let values = &short[row % case.rows * case.dim..][..case.dim];
        rows.extend(values.iter().map(|v| v * power(row)));
    }
    assert!(size_of_val(&rows[..]) > 64 << 20);

    let truth = oracle::encode(&model, &short);
    let repeated = oracle::Encoded {
        codes: truth.codes.repeat(ROWS / case.rows),
        unrounded: truth.unrounded.repeat(ROWS / case.rows),
        scales: (0..ROWS).map(|r| truth.scales[r % case.rows] * f64::from(power(r))).collect(),
    };
    let codec = codec(engine, &model);
    let codes = codec.encode_flat(&rows).unwrap();
    all_agree(|report| report.codes(case, &repeated, &codes));

    let decoded = codec.decode_flat(&codes).unwrap();
    assert_eq!(decoded.len(), rows.len());
    all_agree(|report| {
        for row in (0..ROWS).step_by(997).chain([ROWS - 1]) {
            let packed = codes.as_bytes()[row * case.latent..][..case.latent].to_vec();
            let one = Codes::from_parts(&model, packed, vec![codes.scales()[row]]).unwrap();
            let found = &decoded[row * case.dim..][..case.dim];
            report.rows(format!("row {row}"), &oracle::decode(&model, &one), found, case.dim, 0.0);
        }
        // Compares all rows with those of the short batch, unless a code differs.
        for row in case.rows..ROWS {
            let at = |row: usize| row * case.latent..(row + 1) * case.latent;
            let first = row % case.rows;
            if codes.as_bytes()[at(row)] != codes.as_bytes()[at(first)] {
                continue;
            }
            let ratio = f64::from(power(row) / power(0));
            let first = &decoded[first * case.dim..][..case.dim];
            let expected: Vec<f64> = first.iter().map(|v| f64::from(*v) * ratio).collect();
            let found = &decoded[row * case.dim..][..case.dim];
            report.rows(format!("row {row}"), &expected, found, case.dim, 0.0);
        }
    });
}

fn fault_codes_cannot_be_saved(engine: &CodecOptions) {
    let case = Case::new(21, 9, 34).bias().normalized();
    let model = case.model();
    let codes = codec(engine, &model).encode_flat(&case.rows(&model)).unwrap();
    let expected = codec(engine, &model).decode_flat(&codes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path().join("model")).unwrap();
    codes.save(folder.path().join("codes")).unwrap();
    drop((model, codes));
    let codec = codec(engine, &Model::load(folder.path().join("model")).unwrap());
    let codes = Codes::load(folder.path().join("codes")).unwrap();
    assert_same_bits(&codec.decode_flat(&codes).unwrap(), &expected, "from disk");
}

fn fault_norm_lost_under_latent_normalisation(engine: &CodecOptions) {
    for options in [Options::PLAIN.normalized(), Options::PLAIN.relu().normalized()] {
        let case = Case { options, ..Case::new(32, 16, 12) };
        let model = case.model();
        let rows = case.rows(&model);
        let tenfold: Vec<f32> = rows.iter().map(|v| v * 10.0).collect();
        let codec = codec(engine, &model);
        let decode = |rows| codec.decode_flat(&codec.encode_flat(rows).unwrap()).unwrap();
        let expected: Vec<f64> = decode(&rows).iter().map(|v| f64::from(*v) * 10.0).collect();
        assert!(expected.iter().any(|v| *v != 0.0));
        all_agree(|report| report.rows(case, &expected, &decode(&tenfold), case.dim, ATOL));
    }
}

/// The codes are the quantised latents of `encode_latent`.
fn fault_relu_differs_between_kernels(engine: &CodecOptions) {
    let case = Case::new(20, 15, 40).bias().relu();
    let model = case.model();
    let rows = case.rows(&model);
    let codec = codec(engine, &model);
    let latents = codec.encode_latent(&rows).unwrap();
    let codes = codec.encode_flat(&rows).unwrap();
    assert!(latents.iter().all(|z| *z >= 0.0) && latents.contains(&0.0));
    assert!(codes.as_bytes().iter().all(|byte| *byte as i8 >= 0));
    for (i, (z, &byte)) in latents.iter().zip(codes.as_bytes()).enumerate() {
        let scale = codes.scales()[i / case.latent];
        assert!((z - f32::from(byte as i8) * scale).abs() <= scale * 0.501, "latent {i}: {z}");
    }
    let exact = codec.decode_latent(&latents).unwrap();
    let decoded = codec.decode_flat(&codes).unwrap();
    for (row, (exact, decoded)) in exact.chunks(20).zip(decoded.chunks(20)).enumerate() {
        let quantised = codes.scales()[row] * 0.501;
        for (d, (a, b)) in exact.iter().zip(decoded).enumerate() {
            let weights = &model.weights().unwrap().decoder[d * case.latent..][..case.latent];
            let bound = weights.iter().map(|w| w.abs() * quantised).sum::<f32>();
            assert!((a - b).abs() <= bound + RTOL as f32 * 10.0, "row {row}: {a} against {b}");
        }
    }
}

fn fault_scale_zero_differs_between_kernels(engine: &CodecOptions) {
    let weights = Weights {
        encoder: vec![1.0, 1.0, 0.5, 2.0],
        encoder_bias: Some(vec![-1.0, -2.0]),
        decoder: vec![1.0, -1.0, 3.0, 0.5],
        decoder_bias: Some(vec![0.1, -0.2]),
    };
    for options in [Options::PLAIN.relu(), Options::PLAIN.relu().normalized()] {
        let model = Model::from_weights(options.config(2, 2), weights.clone()).unwrap();
        let codec = codec(engine, &model);
        // Zero, and rows that the biases and the ReLU make zero.
        let rows = [[0.0, 0.0], [0.25, 0.25], [-3.0, 1.0], [0.0, 0.75]];
        let codes = codec.encode(&rows).unwrap();
        assert_eq!(codes.scales(), [0.0; 4], "{options}");
        assert_eq!(codes.as_bytes(), [0; 8], "{options}");
        assert_eq!(codec.encode_latent(rows.as_flattened()).unwrap(), [0.0; 8], "{options}");
        let expected = [0.1f32, -0.2].repeat(4);
        assert_eq!(codec.decode_flat(&codes).unwrap(), expected, "{options}");
        assert_eq!(codec.decode_latent(&[0.0; 8]).unwrap(), expected, "{options}");
        let live = codec.encode(&[[2.0, 2.0]]).unwrap();
        assert!(live.scales()[0] > 0.0, "{options}");
    }
}
