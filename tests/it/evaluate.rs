//! Compares `evaluate` with encoding and decoding, and the figures with their definitions.

use vecodec::metrics::{max_error, mean_cosine, mse, relative_mse, snr_db};
use vecodec::{CodecOptions, Error, Model};

use crate::data::{Case, Random, nested};
use crate::engines::{codec, engine_suite};

engine_suite!(
    evaluation_is_the_sum_of_its_parts,
    figures_follow_their_definitions,
    bad_rows_are_refused_and_good_rows_still_work,
);

const CASE: Case = Case::new(40, 12, 300).bias().relu();

fn case() -> (Model, Vec<f32>) {
    let model = CASE.model();
    let rows = CASE.rows(&model);
    (model, rows)
}

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} against {expected}");
}

fn evaluation_is_the_sum_of_its_parts(engine: &CodecOptions) {
    let (model, rows) = case();
    let codec = codec(engine, &model);
    let (decoded, metrics) = codec.evaluate(&nested(&rows, CASE.dim)).unwrap();
    assert_eq!(decoded, codec.decode(&codec.encode_flat(&rows).unwrap()).unwrap());
    let decoded = decoded.concat();
    assert_close(metrics.mse, mse(&rows, &decoded).unwrap());
    assert_close(metrics.relative_mse, relative_mse(&rows, &decoded).unwrap());
    assert_close(metrics.max_error, max_error(&rows, &decoded).unwrap());
    assert_close(metrics.mean_cosine, mean_cosine(&rows, &decoded, CASE.dim).unwrap());
    assert_close(metrics.snr_db, snr_db(&rows, &decoded).unwrap());
    assert_eq!(metrics.compression_ratio, model.config().compression_ratio());
    for rate in [metrics.encode_rows_per_s, metrics.decode_rows_per_s] {
        assert!(rate.is_finite() && rate > 0.0, "{rate} rows per second");
    }
}

fn figures_follow_their_definitions(engine: &CodecOptions) {
    let (model, rows) = case();
    let (decoded, metrics) = codec(engine, &model).evaluate(&nested(&rows, CASE.dim)).unwrap();
    let (mut error, mut energy, mut largest, mut cosines) = (0.0, 0.0, 0.0f64, 0.0);
    for (x, y) in rows.chunks(CASE.dim).zip(&decoded) {
        let (mut dot, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in x.iter().zip(y) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            error += (x - y).powi(2);
            energy += x * x;
            largest = largest.max((x - y).abs());
            dot += x * y;
            xx += x * x;
            yy += y * y;
        }
        cosines += dot / (xx * yy).sqrt();
    }
    assert_close(metrics.mse, error / rows.len() as f64);
    assert_close(metrics.relative_mse, error / energy);
    assert_close(metrics.max_error, largest);
    assert_close(metrics.mean_cosine, cosines / CASE.rows as f64);
    assert_close(metrics.snr_db, 10.0 * (energy / error).log10());
}

fn bad_rows_are_refused_and_good_rows_still_work(engine: &CodecOptions) {
    let (model, rows) = case();
    let codec = codec(engine, &model);
    let good = nested(&rows, CASE.dim);
    let mut bad = good.clone();
    bad[299][39] = f32::NAN;
    assert!(matches!(codec.evaluate(&bad), Err(Error::NonFinite { row: 299, column: 39, .. })));
    bad[299].pop();
    let error = codec.evaluate(&bad).unwrap_err();
    assert!(matches!(error, Error::RowLength { row: 299, expected: 40, found: 39, .. }), "{error}");
    assert!(matches!(codec.evaluate::<Vec<f32>>(&[]), Err(Error::EmptyBatch { .. })));
    assert_eq!(codec.evaluate(&good).unwrap().0.len(), CASE.rows);
}

/// Equal rows have no error and a cosine of 1; opposite rows have a cosine of -1.
#[test]
fn figures_of_equal_and_opposite_rows() {
    let rows = Random::new(5).normals(60, 1.0);
    let opposite: Vec<f32> = rows.iter().map(|v| -v).collect();
    assert_eq!(relative_mse(&rows, &rows).unwrap(), 0.0);
    assert_eq!(snr_db(&rows, &rows).unwrap(), f64::INFINITY);
    assert_close(mean_cosine(&rows, &rows, 6).unwrap(), 1.0);
    assert_close(relative_mse(&rows, &opposite).unwrap(), 4.0);
    assert_close(mean_cosine(&rows, &opposite, 6).unwrap(), -1.0);
    let error = mse(&rows, &rows[1..]).unwrap_err();
    assert!(matches!(error, Error::LengthMismatch { left: 60, right: 59, .. }), "{error}");
    let error = mean_cosine(&rows, &rows, 7).unwrap_err();
    assert!(matches!(error, Error::FlatLength { len: 60, row_len: 7, .. }), "{error}");
}
