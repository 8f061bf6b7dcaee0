//! Rows of f16, encoded and decoded, and `Codec::warm_up`.

use vecodec::{CodecOptions, Coding, Error, RowNorm, f16};

use crate::bit_code_search::assert_equally_good;
use crate::bit_codes::{fitted, rows};
use crate::compare::{RTOL, all_agree, assert_error};
use crate::data::{Case, Options, Random, identity};
use crate::engines::{codec, engine_suite, gpu_suite, kernel_suite};
use crate::oracle;

/// One unit in the last place of an f16, at its smallest and relative to its value.
const SMALLEST: f32 = 6e-8;
const RELATIVE: f32 = 1.0 / 1024.0;

kernel_suite!(
    decoded_f16_are_the_rounded_rows,
    rows_of_f16_encode_as_their_values_in_f32,
    every_f16_is_encoded,
    bit_codes_of_f16_are_equally_good,
    wrong_rows_of_f16_are_refused,
);

/// With the kernels that suit the adapter: cooperative matrices where the adapter has them.
mod chosen {
    use super::{
        bit_codes_of_f16_are_equally_good, every_f16_is_encoded, gpu_suite,
        rows_of_f16_encode_as_their_values_in_f32,
    };
    gpu_suite!(gpu:
        rows_of_f16_encode_as_their_values_in_f32,
        every_f16_is_encoded,
        bit_codes_of_f16_are_equally_good,
    );
}

/// Odd and even numbers of values per row and of rows; the longest batch takes several chunks.
const ENCODED: &[Case] = &[
    Case::new(1, 1, 257).bias(),
    Case::new(2, 2, 1000).relu().normalized(),
    Case::new(3, 5, 1001),
    Case::new(13, 7, 63).bias().relu().normalized(),
    Case::new(16, 40, 63).relu(),
    Case::new(33, 9, 40_001).bias(),
    Case::new(97, 53, 129).bias().relu(),
    Case::new(128, 128, 300).normalized(),
    Case::new(384, 64, 257).bias(),
];

mod others {
    use super::{
        a_warm_codec_creates_nothing_for_small_batches, engine_suite, wrong_slices_are_refused,
    };
    engine_suite!(wrong_slices_are_refused, a_warm_codec_creates_nothing_for_small_batches);
}

fn decoded_f16_are_the_rounded_rows(engine: &CodecOptions) {
    for (dim, latent, rows) in
        [(1, 1, 1), (2, 3, 65), (3, 4, 13), (4, 5, 64), (7, 9, 1000), (97, 13, 300), (384, 64, 257)]
    {
        let codec = codec(engine, &Options::PLAIN.bias().model(dim, latent, 151));
        let codes = codec.encode_flat(&Random::new(152).normals(rows * dim, 1.0)).unwrap();
        let full = codec.decode_flat(&codes).unwrap();
        let halves = codec.decode_flat_f16(&codes).unwrap();
        assert_eq!(halves.len(), full.len());
        for (at, (half, value)) in halves.iter().zip(&full).enumerate() {
            let error = (half.to_f32() - value).abs();
            let bound = SMALLEST + RELATIVE * value.abs();
            assert!(
                error <= bound,
                "{rows} rows, {latent} -> {dim}, value {at}: {half} of {value}"
            );
        }
        let mut into = vec![f16::NAN; full.len()];
        codec.decode_into(&codes, &mut into).unwrap();
        assert_eq!(into, halves);
        let task = pollster::block_on(codec.decode_flat_f16_async(&codes)).unwrap();
        assert_eq!(task, halves);
        into.fill(f16::NAN);
        pollster::block_on(codec.decode_into_async(&codes, &mut into)).unwrap();
        assert_eq!(into, halves);
    }
}

fn wrong_slices_are_refused(engine: &CodecOptions) {
    let codec = codec(engine, &identity(4));
    let codes = codec.encode_flat(&[1.0; 8]).unwrap();
    for len in [0, 7, 9] {
        let error = codec.decode_into(&codes, &mut vec![f16::ZERO; len]).unwrap_err();
        assert!(
            matches!(error, Error::OutputLength { rows: 2, dim: 4, expected: 8, found, .. } if found == len),
            "{error}"
        );
    }
    let other = crate::engines::codec(engine, &Options::PLAIN.model(4, 4, 1));
    let error = other.decode_flat_f16(&codes).unwrap_err();
    assert!(matches!(error, Error::OtherModel { .. }), "{error}");
    assert_eq!(codec.decode_flat_f16(&codes).unwrap(), vec![f16::ONE; 8]);
}

fn a_warm_codec_creates_nothing_for_small_batches(engine: &CodecOptions) {
    let codec = codec(engine, &identity(4));
    codec.warm_up().unwrap();
    let warm = codec.stats();
    let codes = codec.encode_flat(&[1.0; 40]).unwrap();
    codec.decode(&codes).unwrap();
    codec.decode_flat_f16(&codes).unwrap();
    codec.encode_latent(&[1.0; 40]).unwrap();
    codec.decode_latent(&[1.0; 40]).unwrap();
    assert_eq!(codec.stats().buffers_created, warm.buffers_created);
    assert_eq!(codec.stats().pool_misses, warm.pool_misses);
}

/// The batch in f16, and the values of the f16 in f32.
fn in_f16(rows: &[f32]) -> (Vec<f16>, Vec<f32>) {
    let narrow: Vec<f16> = rows.iter().map(|value| f16::from_f32(*value)).collect();
    let wide = narrow.iter().map(|value| value.to_f32()).collect();
    (narrow, wide)
}

fn rows_of_f16_encode_as_their_values_in_f32(engine: &CodecOptions) {
    all_agree(|report| {
        for case in ENCODED {
            let model = case.model();
            let (narrow, wide) = in_f16(&case.rows(&model));
            let codec = codec(engine, &model);
            let (found, expected) =
                (codec.encode_flat(&narrow).unwrap(), codec.encode_flat(&wide).unwrap());
            let truth = oracle::encode(&model, &wide);
            report.codes(format!("{case}, f16"), &truth, &found);
            report.codes(format!("{case}, f32"), &truth, &expected);
            let pairs = found.as_bytes().iter().zip(expected.as_bytes());
            let unequal = pairs.filter(|(a, b)| a != b).count();
            if unequal > 1 + expected.as_bytes().len() / 1000 {
                report.fail(format!("{case}: {unequal} codes of f16 differ from those of f32"));
            }
            let task = pollster::block_on(codec.encode_flat_async(&narrow)).unwrap();
            assert_eq!(task, found, "{case}");
        }
    });
}

/// Every finite f16, subnormal values and both zeros among them, is a row of one value.
fn every_f16_is_encoded(engine: &CodecOptions) {
    let narrow: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|v| v.is_finite()).collect();
    let codes = codec(engine, &identity(1)).encode_flat(&narrow).unwrap();
    for ((value, byte), scale) in narrow.iter().zip(codes.as_bytes()).zip(codes.scales()) {
        let value = f64::from(value.to_f32());
        let expected = value.abs() / 127.0;
        let error = (f64::from(*scale) - expected).abs();
        assert!(error <= RTOL * expected, "scale {scale:e} of {value:e}");
        let code = if value == 0.0 { 0 } else { 127f64.copysign(value) as i8 };
        assert_eq!(*byte as i8, code, "code of {value:e}");
    }
}

fn bit_codes_of_f16_are_equally_good(engine: &CodecOptions) {
    for (dim, bytes, coding, norm, count) in [
        (1, 1, Coding::Scalar, RowNorm::Omit, 65),
        (13, 9, Coding::Trellis { states: 16 }, RowNorm::Store, 257),
        (13, 3, Coding::Trellis { states: 256 }, RowNorm::Omit, 100),
        (31, 11, Coding::Scalar, RowNorm::Store, 1001),
        (40, 17, Coding::Scalar, RowNorm::Omit, 300),
    ] {
        let model = fitted(&rows(120, dim, 401), dim, bytes, coding, norm);
        let (narrow, wide) = in_f16(&rows(count, dim, 402));
        let label = format!("{count} rows of {dim} in {bytes} bytes, {coding:?}, {norm:?}");
        let codec = codec(engine, &model);
        let found = codec.encode_flat(&narrow).unwrap();
        assert_equally_good(&model, &wide, &found, &label);
        let task = pollster::block_on(codec.encode_flat_async(&narrow)).unwrap();
        assert_eq!(task, found, "{label}");
    }
}

fn wrong_rows_of_f16_are_refused(engine: &CodecOptions) {
    const DIM: usize = 7;
    let bits = fitted(&rows(120, DIM, 403), DIM, 6, Coding::Scalar, RowNorm::Store);
    for model in [identity(DIM), bits] {
        let codec = codec(engine, &model);
        let good = in_f16(&rows(3000, DIM, 404)).0;
        let codes = codec.encode_flat(&good).unwrap();
        for (row, column) in [(0, 0), (0, 6), (1, 0), (1500, 3), (2999, 6)] {
            for value in [f16::NAN, f16::INFINITY, f16::NEG_INFINITY] {
                let mut bad = good.clone();
                bad[row * DIM + column] = value;
                let task = pollster::block_on(codec.encode_flat_async(&bad)).unwrap_err();
                for error in [codec.encode_flat(&bad).unwrap_err(), task] {
                    assert_error!(
                        error,
                        Error::NonFinite { row: r, column: c, .. } if (r, c) == (row, column),
                        &format!("row {row}, column {column}"), &value.to_string()
                    );
                }
            }
        }
        for len in [1, DIM - 1, 3000 * DIM - 1] {
            let task = pollster::block_on(codec.encode_flat_async(&good[..len])).unwrap_err();
            for error in [codec.encode_flat(&good[..len]).unwrap_err(), task] {
                assert_error!(
                    error,
                    Error::FlatLength { len: l, row_len: DIM, .. } if l == len,
                    &len.to_string(), "7"
                );
            }
        }
        let error = codec.encode_flat::<f16>(&[]).unwrap_err();
        assert_error!(error, Error::EmptyBatch { dim: DIM, .. }, "empty");
        assert_eq!(codec.encode_flat(&good).unwrap(), codes, "after the errors");
    }
}
