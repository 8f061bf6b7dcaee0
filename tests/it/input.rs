//! Bad input: each kind has its own error, and the codec works on after every one of them.

use vecodec::{Codec, CodecOptions, Codes, Error, Model, ModelConfig, Weights};

use crate::compare::assert_error;
use crate::data::{Case, Options, Random, identity, model, nested};
use crate::engines::{codec, engine_suite};

engine_suite!(
    empty_batches,
    ragged_rows,
    lengths_that_are_no_multiple,
    not_finite_values,
    not_finite_at_the_end_of_a_big_batch,
    not_finite_latents,
    outputs_of_the_wrong_length,
    codes_of_another_model,
    overflowing_rows,
    overflowing_latents,
    cancelling_overflow_is_never_silent,
);

/// A codec and what a good call must give, before and after an error.
struct Fixture {
    codec: Codec,
    rows: Vec<f32>,
    codes: Codes,
    decoded: Vec<f32>,
}

impl Fixture {
    const CASE: Case = Case::new(12, 5, 70).bias();

    fn new(engine: &CodecOptions) -> Self {
        Self::of(engine, &Self::CASE.model(), Self::CASE.rows(&Self::CASE.model()))
    }

    fn of(engine: &CodecOptions, model: &Model, rows: Vec<f32>) -> Self {
        let codec = codec(engine, model);
        let codes = codec.encode_flat(&rows).unwrap();
        let decoded = codec.decode_flat(&codes).unwrap();
        Self { codec, rows, codes, decoded }
    }

    /// Takes the error out of a result, after proving that the codec still works.
    #[track_caller]
    fn error<T>(&self, result: vecodec::Result<T>) -> Error {
        let Some(error) = result.err() else { panic!("this should have failed") };
        assert_eq!(self.codec.encode_flat(&self.rows).unwrap(), self.codes, "after {error}");
        assert_eq!(self.codec.decode_flat(&self.codes).unwrap(), self.decoded, "after {error}");
        error
    }
}

fn empty_batches(engine: &CodecOptions) {
    let good = Fixture::new(engine);
    let none: [Vec<f32>; 0] = [];
    assert_error!(good.error(good.codec.encode(&none)), Error::EmptyBatch { dim: 12, .. }, "12");
    assert_error!(
        good.error(good.codec.encode_flat::<f32>(&[])),
        Error::EmptyBatch { .. },
        "empty"
    );
    assert_error!(good.error(good.codec.encode_latent(&[])), Error::EmptyBatch { .. }, "empty");
    assert_error!(good.error(good.codec.decode_latent(&[])), Error::EmptyBatch { .. }, "empty");
    let codes = Codes::from_parts(good.codec.model(), vec![], vec![]);
    assert_error!(good.error(codes), Error::EmptyBatch { .. }, "empty");
}

fn ragged_rows(engine: &CodecOptions) {
    let good = Fixture::new(engine);
    for (row, len) in [(0, 11), (1, 13), (69, 0), (35, 24)] {
        let mut rows = nested(&good.rows, 12);
        rows[row].resize(len, 0.5);
        assert_error!(
            good.error(good.codec.encode(&rows)),
            Error::RowLength { row: r, expected: 12, found, .. } if (r, found) == (row, len),
            &format!("row {row}"), "12", &len.to_string()
        );
    }
}

fn lengths_that_are_no_multiple(engine: &CodecOptions) {
    let good = Fixture::new(engine);
    for len in [1, 11, 13, 12 * 70 - 1] {
        let rows = &good.rows[..len];
        let error = good.error(good.codec.encode_flat(rows));
        assert_error!(error, Error::FlatLength { row_len: 12, .. }, &len.to_string(), "12");
        let error = good.error(good.codec.encode_latent(rows));
        assert_error!(error, Error::FlatLength { row_len: 12, .. }, &len.to_string());
    }
    let error = good.error(good.codec.decode_latent(&[0.5; 6]));
    assert_error!(error, Error::FlatLength { len: 6, row_len: 5, .. }, "6", "5");
    let error = good.error(Codes::from_parts(good.codec.model(), vec![1; 9], vec![1.0]));
    assert_error!(error, Error::FlatLength { len: 9, row_len: 5, .. }, "9", "5");
}

fn not_finite_values(engine: &CodecOptions) {
    let good = Fixture::new(engine);
    for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (row, column) in [(0, 0), (0, 11), (33, 7), (69, 11)] {
            let mut rows = good.rows.clone();
            rows[row * 12 + column] = value;
            let results = [
                good.codec.encode_flat(&rows).map(drop),
                good.codec.encode(&nested(&rows, 12)).map(drop),
                good.codec.encode_latent(&rows).map(drop),
            ];
            for result in results {
                assert_error!(
                    good.error(result),
                    Error::NonFinite { row: r, column: c, value: v, .. }
                        if (r, c) == (row, column) && v.to_bits() == value.to_bits(),
                    &format!("row {row}"), &format!("column {column}")
                );
            }
        }
    }
}

fn not_finite_at_the_end_of_a_big_batch(engine: &CodecOptions) {
    const ROWS: usize = 200_001;
    let good = Fixture::of(engine, &identity(20), Random::new(81).normals(20 * 50, 1.0));
    let mut rows = good.rows.repeat(ROWS.div_ceil(50));
    rows.truncate(ROWS * 20);
    assert_eq!(good.codec.encode_flat(&rows).unwrap().row_count(), ROWS);
    for value in [f32::NAN, f32::NEG_INFINITY] {
        rows[ROWS * 20 - 1] = value;
        let error = good.error(good.codec.encode_flat(&rows));
        assert_error!(error, Error::NonFinite { row: 200_000, column: 19, .. }, "200000", "19");
        let slices: Vec<&[f32]> = rows.chunks(20).collect();
        let error = good.error(good.codec.encode(&slices));
        assert_error!(error, Error::NonFinite { row: 200_000, column: 19, .. }, "200000", "19");
    }
}

fn not_finite_latents(engine: &CodecOptions) {
    let good = Fixture::new(engine);
    let mut latents = good.codec.encode_latent(&good.rows).unwrap();
    latents[42 * 5 + 3] = f32::INFINITY;
    let error = good.error(good.codec.decode_latent(&latents));
    assert_error!(error, Error::NonFinite { row: 42, column: 3, .. }, "row 42", "column 3");
}

fn outputs_of_the_wrong_length(engine: &CodecOptions) {
    let good = Fixture::new(engine);
    for len in [0, 1, 12, 70 * 12 - 1, 70 * 12 + 1, 71 * 12] {
        let mut out = vec![0.25; len];
        assert_error!(
            good.error(good.codec.decode_into(&good.codes, &mut out)),
            Error::OutputLength { rows: 70, dim: 12, expected: 840, found, .. } if found == len,
            "840", &len.to_string()
        );
        assert!(out.iter().all(|v| *v == 0.25), "a refused slice was written to");
    }
}

fn codes_of_another_model(engine: &CodecOptions) {
    let good = Fixture::new(engine);
    let other = model(good.codec.model().config().clone(), true, 82);
    let codes = codec(engine, &other).encode_flat(&good.rows).unwrap();
    let (theirs, ours) = (other.fingerprint(), good.codec.model().fingerprint());
    let mut out = vec![0.0; 840];
    let results = [
        good.codec.decode(&codes).map(drop),
        good.codec.decode_flat(&codes).map(drop),
        good.codec.decode_into(&codes, &mut out),
        good.codec.decode_mapped(&codes).map(drop),
    ];
    for result in results {
        let error = good.error(result);
        assert_error!(error, Error::OtherModel { .. }, &theirs.to_string(), &ours.to_string());
    }
    // Declared to be this model's, they decode as codes of this model do.
    let (bytes, scales) = (codes.as_bytes().to_vec(), codes.scales().to_vec());
    let expected = Codes::from_parts(good.codec.model(), bytes, scales).unwrap();
    let assumed = codes.clone().assume_model(good.codec.model()).unwrap();
    assert_eq!(assumed, expected);
    assert_eq!(good.codec.decode(&assumed).unwrap(), good.codec.decode(&expected).unwrap());
    // Of another size they cannot be.
    let narrow = model(ModelConfig::int8(12, 4), true, 83);
    let error = good.error(codes.assume_model(&narrow));
    assert_error!(error, Error::CodesShape { expected: 4, found: 5, .. }, "4", "5");
}

/// All weights 1: rows of 1e38 have latents of 4e38.
fn summing(engine: &CodecOptions, options: Options) -> Fixture {
    let weights = Weights {
        encoder: vec![1.0; 12],
        decoder: vec![0.5; 12],
        encoder_bias: options.bias.then(|| vec![0.5; 3]),
        decoder_bias: None,
    };
    let model = Model::from_weights(options.config(4, 3), weights).unwrap();
    Fixture::of(engine, &model, vec![0.5; 4 * 9])
}

fn overflowing_rows(engine: &CodecOptions) {
    for options in Options::EACH {
        let good = summing(engine, options);
        for row in [0, 4, 8] {
            let mut rows = good.rows.clone();
            rows[row * 4..][..4].fill(1e38);
            let row_name = format!("row {row}");
            let error = good.error(good.codec.encode_flat(&rows));
            assert_error!(error, Error::Overflow { row: r, .. } if r == row, &row_name);
            let error = good.error(good.codec.encode(&nested(&rows, 4)));
            assert_error!(error, Error::Overflow { row: r, .. } if r == row, &row_name);
            // A little less is no overflow.
            rows[row * 4..][..4].fill(5e37);
            let scale = good.codec.encode_flat(&rows).unwrap().scales()[row];
            assert!((scale / (2e38 / 127.0) - 1.0).abs() < 1e-5, "{scale:e}");
        }
    }
}

fn overflowing_latents(engine: &CodecOptions) {
    for options in Options::EACH {
        let good = summing(engine, options);
        for row in [0, 4, 8] {
            let mut rows = good.rows.clone();
            rows[row * 4..][..4].fill(1e38);
            let error = good.error(good.codec.encode_latent(&rows));
            assert_error!(error, Error::Overflow { row: r, .. } if r == row, &format!("row {row}"));
        }
    }
}

/// The sum is zero or leaves `f32` on the way, as an engine may; it never turns into a code.
fn cancelling_overflow_is_never_silent(engine: &CodecOptions) {
    for options in [Options::PLAIN, Options::PLAIN.relu(), Options::PLAIN.normalized()] {
        let weights = Weights {
            encoder: [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0].repeat(2),
            decoder: vec![1.0; 16],
            ..Weights::default()
        };
        let model = Model::from_weights(options.config(8, 2), weights).unwrap();
        match codec(engine, &model).encode(&[[1.0; 8], [3e38; 8]]) {
            Ok(codes) => {
                assert_eq!((codes.scales(), codes.as_bytes()), (&[0.0; 2][..], &[0; 4][..]))
            }
            Err(error) => assert!(matches!(error, Error::Overflow { row: 1, .. }), "{error}"),
        }
    }
}
