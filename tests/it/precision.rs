//! `Precision::F16`: on cooperative matrices where the adapter has them, and with weights of f16
//! elsewhere. Every error must be within what rounding both operands to 11 bits can cause.

use vecodec::{CodecOptions, Coding, Model, ModelConfig, Precision, Weights};

use crate::data::{Case, Random};
use crate::engines::{codec, gpu_suite};
use crate::oracle;
use crate::shapes::CASES;

/// The largest error of rounding to f16: relative to a normal value, and of a subnormal value.
const RELATIVE: f64 = 1.0 / 2048.0;
const SMALLEST: f64 = 1.0 / (1u64 << 25) as f64;
/// The relative error of sums in f32.
const SUMS: f64 = 1e-5;

gpu_suite!(
    gpu_f16: decoding_errs_by_the_rounding,
    encoding_errs_by_the_rounding,
    other_verbs_agree,
    sentence_embeddings_keep_their_error
);
gpu_suite!(gpu_f16_registers: decoding_errs_by_the_rounding, encoding_errs_by_the_rounding);
gpu_suite!(gpu_f16_tiled: decoding_errs_by_the_rounding, encoding_errs_by_the_rounding);

/// The largest error of `sum_i a[i] b[i]` when the operands are rounded. `exact` says that the
/// second operand is not rounded.
fn rounding(a: &[f32], b: &[f64], exact: bool) -> f64 {
    let term = |(a, b): (&f32, &f64)| {
        let (a, b) = (f64::from(a.abs()), b.abs());
        let of_a = b * (RELATIVE * a + SMALLEST);
        let of_b = if exact { 0.0 } else { (a + RELATIVE * a) * (RELATIVE * b + SMALLEST) };
        of_a + of_b + SUMS * a * b
    };
    a.iter().zip(b).map(term).sum::<f64>() + SUMS
}

fn decoding_errs_by_the_rounding(engine: &CodecOptions) {
    for case in CASES {
        let model = case.model();
        let codec = codec(engine, &model);
        let codes = codec.encode_flat(&case.rows(&model)).unwrap();
        let expected = oracle::decode(&model, &codes);
        let decoded = codec.decode_flat(&codes).unwrap();
        let packed: Vec<&[u8]> = codes.as_bytes().chunks(case.latent).collect();
        for (at, (found, expected)) in decoded.iter().zip(&expected).enumerate() {
            let (row, column) = (at / case.dim, at % case.dim);
            let scale = f64::from(codes.scales()[row]);
            let z: Vec<f64> = packed[row].iter().map(|b| f64::from(*b as i8) * scale).collect();
            let weights = &model.weights().unwrap().decoder[column * case.latent..][..case.latent];
            let bound = rounding(weights, &z, true);
            let error = (f64::from(*found) - expected).abs();
            assert!(error <= bound, "{case:?}, {row}, {column}: {found} of {expected} +- {bound}");
        }
    }
}

fn encoding_errs_by_the_rounding(engine: &CodecOptions) {
    for case in CASES.iter().filter(|case| !case.options.normalized) {
        let model = case.model();
        let rows = case.rows(&model);
        let codec = codec(engine, &model);
        let latents = codec.encode_latent(&rows).unwrap();
        let codes = codec.encode_flat(&rows).unwrap();
        for (row, values) in rows.chunks(case.dim).enumerate() {
            let values = oracle::widened(values);
            let expected = oracle::activated(&model, &rows[row * case.dim..][..case.dim]);
            let scale = f64::from(codes.scales()[row]);
            for (l, expected) in expected.iter().enumerate() {
                let weights = &model.weights().unwrap().encoder[l * case.dim..][..case.dim];
                let bound = rounding(weights, &values, false);
                let found = f64::from(latents[row * case.latent + l]);
                let error = (found - expected).abs();
                assert!(error <= bound, "{case:?}, {row}, {l}: {found} of {expected} +- {bound}");
                let code = f64::from(codes.as_bytes()[row * case.latent + l] as i8);
                let error = (code * scale - expected).abs();
                let half = 0.5001 * scale + bound;
                assert!(error <= half, "{case:?}, {row}, {l}: code {code} of {expected} +- {half}");
            }
        }
    }
}

/// Latents, rows of f16 and bit codes come from kernels of the same precision.
fn other_verbs_agree(engine: &CodecOptions) {
    let case = Case::new(97, 53, 300).bias();
    let model = case.model();
    let codec_f16 = codec(engine, &model);
    let exact = codec(&engine.clone().with_precision(Precision::F32), &model);
    let latents = Random::new(5).normals(case.rows * case.latent, 1.0);
    near(&codec_f16.decode_latent(&latents).unwrap(), &exact.decode_latent(&latents).unwrap());
    let codes = exact.encode_flat(&case.rows(&model)).unwrap();
    let halves = codec_f16.decode_flat_f16(&codes).unwrap();
    let halves: Vec<f32> = halves.iter().map(|h| h.to_f32()).collect();
    near(&halves, &exact.decode_flat(&codes).unwrap());

    let rows = Random::new(6).normals(2000 * 24, 1.0);
    let model = Model::fit(&rows, ModelConfig::bits(24, 6)).unwrap();
    let codes = codec(engine, &model).encode_flat(&rows).unwrap();
    let exact = codec(&engine.clone().with_precision(Precision::F32), &model);
    near(&codec(engine, &model).decode_flat(&codes).unwrap(), &exact.decode_flat(&codes).unwrap());
}

/// Asserts that the norm of the error is at most 2^-10 of the norm of the expected values.
fn near(found: &[f32], expected: &[f32]) {
    let expected = oracle::widened(expected);
    let errors: Vec<f64> = found.iter().zip(&expected).map(|(f, e)| f64::from(*f) - e).collect();
    let (error, norm) = (oracle::norm(&errors), oracle::norm(&expected));
    assert!(norm > 0.0 && error <= norm / 1024.0, "{error} of {norm}");
}

/// On the sentence embeddings in `examples/data`, f16 changes the relative MSE by at most 1e-4 of
/// it.
fn sentence_embeddings_keep_their_error(engine: &CodecOptions) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/wordnet-minilm-384.npy");
    let rows: Vec<f32> =
        npyz::NpyFile::new(&std::fs::read(file).unwrap()[..]).unwrap().into_vec().unwrap();
    let (fitted, others) = rows.split_at(rows.len() / 384 / 2 * 384);
    let others: Vec<&[f32]> = others.chunks(384).collect();
    let bits: ModelConfig = ModelConfig::bits(384, 64).with_coding(Coding::Scalar).into();
    for config in [ModelConfig::int8(384, 64).into(), bits] {
        let model = Model::fit(fitted, config).unwrap();
        let f16 = codec(engine, &model).evaluate(&others).unwrap().1;
        let exact = engine.clone().with_precision(Precision::F32);
        let exact = codec(&exact, &model).evaluate(&others).unwrap().1;
        let change = (f16.relative_mse / exact.relative_mse - 1.0).abs();
        assert!(change <= 1e-4, "{} of {}", f16.relative_mse, exact.relative_mse);
    }
}

mod weights {
    use super::{gpu_suite, weights_of_any_magnitude_are_accepted};
    gpu_suite!(gpu: weights_of_any_magnitude_are_accepted);
    gpu_suite!(gpu_f16: weights_of_any_magnitude_are_accepted);
}

/// Weights beyond the range of f16, and far below it.
fn weights_of_any_magnitude_are_accepted(engine: &CodecOptions) {
    for size in [1e-30f32, 1e-6, 1.0, 1e5, 1e30] {
        let mut random = Random::new(9);
        let encoder = random.normals(16 * 40, 1.0 / 6.0);
        let decoder: Vec<f32> = random.normals(40 * 16, 0.2).iter().map(|w| w * size).collect();
        let weights = Weights { encoder, decoder, ..Weights::default() };
        let model = Model::from_weights(ModelConfig::int8(40, 16), weights).unwrap();
        let codec = codec(engine, &model);
        let codes = codec.encode_flat(&random.normals(70 * 40, 1.0)).unwrap();
        let expected = oracle::decode(&model, &codes);
        let descaled = |value: f64| (value / f64::from(size)) as f32;
        let found: Vec<f32> =
            codec.decode_flat(&codes).unwrap().iter().map(|v| descaled(f64::from(*v))).collect();
        near(&found, &expected.iter().map(|v| descaled(*v)).collect::<Vec<f32>>());
    }
}
