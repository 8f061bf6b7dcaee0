//! Values that numerics stumble over: extremes of magnitude, zeros, ties.

use vecodec::{CodecOptions, Codes, Model, ModelConfig, Weights};

use crate::compare::{ATOL, all_agree, assert_same_bits};
use crate::data::{Case, Options, Random, identity, model};
use crate::engines::{codec, kernel_suite};
use crate::oracle;

kernel_suite!(
    rows_of_all_magnitudes_in_one_batch,
    powers_of_two_pass_through_exactly,
    one_hot_and_constant_rows,
    zero_rows_decode_to_the_bias,
    vanishing_rows_decode_to_the_bias,
    smallest_scale_is_stored,
    ties_round_to_even,
    values_near_the_limit_of_f32,
    equal_latents_reach_the_largest_code,
    one_scale_serves_all_rows,
);

fn rows_of_all_magnitudes_in_one_batch(engine: &CodecOptions) {
    all_agree(|report| {
        for options in Options::LATENTS {
            let case = Case { options, ..Case::new(24, 37, 41) };
            let model = case.model();
            let mut rows = case.rows(&model);
            for (row, exponent) in rows.chunks_mut(case.dim).zip(-20..=20) {
                row.iter_mut().for_each(|v| *v = (f64::from(*v) * 10f64.powi(exponent)) as f32);
            }
            let codec = codec(engine, &model);
            let codes = codec.encode_flat(&rows).unwrap();
            report.codes(case, &oracle::encode(&model, &rows), &codes);
            // Nothing has an absolute size here: the smallest row is held to its own norm.
            let decoded = codec.decode_flat(&codes).unwrap();
            report.rows(case, &oracle::decode(&model, &codes), &decoded, case.dim, 0.0);
            let latents = codec.encode_latent(&rows).unwrap();
            report.rows(case, &oracle::latents(&model, &rows), &latents, case.latent, 0.0);
        }
    });
}

/// A factor of a power of two changes no digit anywhere, so neither does it change a code.
fn powers_of_two_pass_through_exactly(engine: &CodecOptions) {
    let case = Case::new(19, 11, 16);
    let model = case.model();
    let codec = codec(engine, &model);
    let rows = case.rows(&model);
    let codes = codec.encode_flat(&rows).unwrap();
    let decoded = codec.decode_flat(&codes).unwrap();
    for exponent in [-60, -1, 1, 60] {
        let magnitude = 2f32.powi(exponent);
        let scaled = |values: &[f32]| values.iter().map(|v| v * magnitude).collect::<Vec<_>>();
        let found = codec.encode_flat(&scaled(&rows)).unwrap();
        assert_eq!(found.as_bytes(), codes.as_bytes(), "2^{exponent}");
        assert_same_bits(found.scales(), &scaled(codes.scales()), format!("2^{exponent}"));
        let found = codec.decode_flat(&found).unwrap();
        assert_same_bits(&found, &scaled(&decoded), format!("2^{exponent}"));
    }
}

fn one_hot_and_constant_rows(engine: &CodecOptions) {
    all_agree(|report| {
        for options in Options::ALL {
            let (dim, latent) = (23, 21);
            let model = options.model(dim, latent, 71);
            let mut rows = vec![0.0; 2 * dim * dim];
            (0..dim).for_each(|i| rows[i * dim + i] = if i % 2 == 0 { 1.0 } else { -0.25 });
            for (i, row) in rows[dim * dim..].chunks_mut(dim).enumerate() {
                row.fill(0.1 * (i + 1) as f32 * if i % 3 == 0 { -1.0 } else { 1.0 });
            }
            let codec = codec(engine, &model);
            let codes = codec.encode_flat(&rows).unwrap();
            let case = format!("one-hot and constant rows, {options}");
            report.codes(&case, &oracle::encode(&model, &rows), &codes);
            let decoded = codec.decode_flat(&codes).unwrap();
            report.rows(&case, &oracle::decode(&model, &codes), &decoded, dim, ATOL);
        }
    });
}

/// Rows of zeros and negative zeros, and with a ReLU also rows whose latents are all negative.
fn zero_rows_decode_to_the_bias(engine: &CodecOptions) {
    for options in Options::ALL {
        let bias: Option<Vec<f32>> = options.bias.then(|| vec![0.3, -7.5e-3, 1e5]);
        let weights = Weights {
            encoder: vec![0.5, 0.25, 1.0, 2.0, 0.125, 1.0, 1.0, 3.0, 0.5, 1.5, 1.0, 0.75],
            decoder: Random::new(72).normals(12, 1.0),
            encoder_bias: None,
            decoder_bias: bias.clone(),
        };
        let model = Model::from_weights(options.config(3, 4), weights).unwrap();
        // Other rows lie between the zero rows, in case a kernel reads a neighbouring row.
        let mut rows = vec![
            [0.0, 0.0, 0.0],
            [1.0, 2.0, 3.0],
            [-0.0, -0.0, -0.0],
            [9.0, 1.0, -0.5],
            [0.0, -0.0, 0.0],
        ];
        let mut vanishing = vec![0, 2, 4];
        if options.relu {
            rows.push([-1.0, -2.0, -1e20]);
            vanishing.push(5);
        }
        let codec = codec(engine, &model);
        let codes = codec.encode(&rows).unwrap();
        let decoded = codec.decode(&codes).unwrap();
        let latents = codec.encode_latent(rows.as_flattened()).unwrap();
        let expected = bias.unwrap_or(vec![0.0; 3]);
        for row in vanishing {
            let case = format!("row {row}, {options}");
            assert_eq!(codes.scales()[row], 0.0, "{case}");
            assert_eq!(codes.as_bytes()[row * 4..][..4], [0; 4], "{case}");
            assert_eq!(decoded[row], expected, "{case}");
            assert_eq!(latents[row * 4..][..4], [0.0; 4], "{case}");
        }
        assert!(codes.scales()[1] > 0.0 && codes.scales()[3] > 0.0, "{options}");
    }
}

/// Subnormal latents count as zero, whether or not an engine flushes subnormal values.
fn vanishing_rows_decode_to_the_bias(engine: &CodecOptions) {
    for options in Options::ALL {
        let mut model = options.bias().model(6, 5, 73);
        let weights = Weights { encoder_bias: None, ..model.weights().unwrap().clone() };
        model = Model::from_weights(model.config().clone(), weights).unwrap();
        let smallest = f32::from_bits(1);
        let rows = [[smallest; 6], [-1e-40; 6], [f32::MIN_POSITIVE; 6], [3e-39; 6]];
        let codec = codec(engine, &model);
        let codes = codec.encode(&rows).unwrap();
        assert_eq!(codes.scales(), [0.0; 4], "{options}");
        assert_eq!(codes.as_bytes(), [0; 4 * 5], "{options}");
        for row in codec.decode(&codes).unwrap() {
            assert_eq!(Some(row), model.weights().unwrap().decoder_bias, "{options}");
        }
    }
}

/// A scale of twice the smallest normal value is stored, and half of that value is not.
fn smallest_scale_is_stored(engine: &CodecOptions) {
    let codec = codec(engine, &identity(2));
    let smallest = 127.0 * f32::MIN_POSITIVE;
    let codes = codec
        .encode(&[[2.0 * smallest, -0.5 * smallest], [0.5 * smallest, 0.25 * smallest]])
        .unwrap();
    assert_eq!(codes.as_bytes(), [127, -32i8 as u8, 0, 0]);
    assert_eq!(codes.scales(), [2.0 * f32::MIN_POSITIVE, 0.0]);
}

fn ties_round_to_even(engine: &CodecOptions) {
    // The largest value is 127, so the scale is 1 and halves are exact.
    let mut row = vec![127.0];
    row.extend((-127..127).map(|k| k as f32 + 0.5));
    let model = identity(row.len());
    let codes = codec(engine, &model).encode(&[&row]).unwrap();
    assert_eq!(codes.scales(), [1.0]);
    for (value, &byte) in row.iter().zip(codes.as_bytes()) {
        assert_eq!(f32::from(byte as i8), value.round_ties_even(), "{value}");
    }
}

fn values_near_the_limit_of_f32(engine: &CodecOptions) {
    let model = identity(5);
    let rows = [
        [3e38, -3e38, 1.4e38, -1e37, 0.0],
        [1.1e-30, 2e-30, -1.2e-30, 0.0, 7e-31],
        [-3.3e38, 0.0, 0.0, 1e30, 3.3e38],
    ];
    for normalized in [false, true] {
        let config = ModelConfig::int8(5, 5).with_normalized_latent(normalized);
        let model = Model::from_weights(config, model.weights().unwrap().clone()).unwrap();
        let codec = codec(engine, &model);
        all_agree(|report| {
            let case = format!("normalised: {normalized}");
            let codes = codec.encode(&rows).unwrap();
            report.codes(&case, &oracle::encode(&model, rows.as_flattened()), &codes);
            let decoded = codec.decode_flat(&codes).unwrap();
            report.rows(&case, &oracle::decode(&model, &codes), &decoded, 5, 0.0);
            let latents = codec.encode_latent(rows.as_flattened()).unwrap();
            let expected = oracle::latents(&model, rows.as_flattened());
            report.rows(&case, &expected, &latents, 5, 0.0);
        });
    }
}

/// All latents have the same magnitude: each code is ±127, and rounding must not exceed that.
fn equal_latents_reach_the_largest_code(engine: &CodecOptions) {
    let model = identity(7);
    let mut random = Random::new(74);
    let magnitudes: Vec<f32> = (0..500).map(|_| (random.normal() * 20.0).exp2() as f32).collect();
    let rows: Vec<f32> = magnitudes.iter().flat_map(|m| [*m, -m, *m, *m, -m, *m, -m]).collect();
    let codes = codec(engine, &model).encode_flat(&rows).unwrap();
    for (packed, magnitude) in codes.as_bytes().chunks(7).zip(magnitudes) {
        let packed: Vec<i8> = packed.iter().map(|byte| *byte as i8).collect();
        assert_eq!(packed, [127, -127, 127, 127, -127, 127, -127], "{magnitude:e}");
    }
}

fn one_scale_serves_all_rows(engine: &CodecOptions) {
    for rows in [1, 2, 67] {
        let model = model(ModelConfig::int8(10, 6), true, 75);
        let packed: Vec<u8> = (0..rows * 6).map(|i| (i * 37) as u8).collect();
        let shared = Codes::from_parts(&model, packed.clone(), 0.0125f32).unwrap();
        let own = Codes::from_parts(&model, packed.clone(), vec![0.0125f32; rows]).unwrap();
        assert_eq!((shared.row_count(), shared.scales()), (rows, &[0.0125f32][..]));
        assert_eq!(shared.as_bytes(), packed);
        let codec = codec(engine, &model);
        let decoded = codec.decode_flat(&shared).unwrap();
        assert_same_bits(&decoded, &codec.decode_flat(&own).unwrap(), format!("{rows} rows"));
        all_agree(|report| {
            report.rows("one scale", &oracle::decode(&model, &shared), &decoded, 10, ATOL);
        });

        let nothing = Codes::from_parts(&model, packed, 0.0f32).unwrap();
        for row in codec.decode(&nothing).unwrap() {
            assert_eq!(Some(row), model.weights().unwrap().decoder_bias);
        }
    }
}
