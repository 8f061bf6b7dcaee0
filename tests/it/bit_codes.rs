//! Bit codes: fits, files, both engines, and the budgets that are refused.

use vecodec::{
    Codec, CodecOptions, Codes, CodesReader, CodesWriter, Coding, Error, FitOptions, Model,
    ModelConfig, RowNorm, metrics,
};

use crate::bit_code_search::assert_equally_good;
use crate::compare::assert_same_bits;
use crate::data::Random;
use crate::engines::{codec, cpu, engine_suite, kernel_suite};
use crate::format_oracle::naive_decode;

kernel_suite!(rows_come_back_as_the_format_says);

mod verbs {
    use super::{engine_suite, verbs_agree_on_bit_codes};
    engine_suite!(verbs_agree_on_bit_codes);
}

/// Random rows with a decaying spectrum and a mean that is not zero.
pub fn rows(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mean = random.normals(dim, 0.5);
    let mixing = random.normals(dim * dim, 1.0);
    let mut rows = Vec::with_capacity(count * dim);
    for _ in 0..count {
        let z = random.normals(dim, 1.0);
        rows.extend((0..dim).map(|i| {
            let part = |j: usize| mixing[i * dim + j] * z[j] / (1.0 + j as f32);
            mean[i] + (0..dim).map(part).sum::<f32>()
        }));
    }
    rows
}

fn codings() -> [Coding; 4] {
    let trellis = |states| Coding::Trellis { states };
    [Coding::Scalar, trellis(4), trellis(256), trellis(1024)]
}

pub fn fitted(rows: &[f32], dim: usize, bytes: usize, coding: Coding, scale: RowNorm) -> Model {
    let config = ModelConfig::bits(dim, bytes).with_coding(coding);
    Model::fit(rows, config.with_row_norm(scale)).unwrap()
}

fn relative_error(codec: &Codec, rows: &[f32]) -> f64 {
    let codes = codec.encode_flat(rows).unwrap();
    metrics::relative_mse(rows, &codec.decode_flat(&codes).unwrap()).unwrap()
}

fn rows_come_back_as_the_format_says(engine: &CodecOptions) {
    for (dim, bytes, coding, scale) in [
        (1, 1, Coding::Scalar, RowNorm::Omit),
        (3, 2, Coding::Trellis { states: 2 }, RowNorm::Omit),
        (13, 3, Coding::Trellis { states: 256 }, RowNorm::Omit),
        (13, 9, Coding::Trellis { states: 16 }, RowNorm::Store),
        (32, 7, Coding::Scalar, RowNorm::Store),
        (40, 11, Coding::Trellis { states: 4096 }, RowNorm::Omit),
        (66, 33, Coding::Trellis { states: 256 }, RowNorm::Store),
    ] {
        let train = rows(300, dim, 161);
        let model = fitted(&train, dim, bytes, coding, scale);
        assert!(model.config().code_size() <= bytes, "{coding:?}: {:?}", model.config());
        let codec = codec(engine, &model);
        let some = rows(37, dim, 162);
        let codes = codec.encode_flat(&some).unwrap();
        assert_eq!(codes.code_size(), model.config().code_size());
        let found = codec.decode_flat(&codes).unwrap();
        let truth = naive_decode(&model, &codes);
        for (at, (row, found)) in truth.chunks(dim).zip(found.chunks(dim)).enumerate() {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            for (a, b) in row.iter().zip(found) {
                let bound = 1e-5 + 1e-5 * norm;
                assert!(
                    (a - f64::from(*b)).abs() <= bound,
                    "{coding:?} {scale:?} {dim} row {at}: {b} for {a}"
                );
            }
        }
    }
}

fn verbs_agree_on_bit_codes(engine: &CodecOptions) {
    let train = rows(500, 24, 163);
    for scale in [RowNorm::Omit, RowNorm::Store] {
        let model = fitted(&train, 24, 10, Coding::Trellis { states: 64 }, scale);
        let codec = codec(engine, &model);
        let codes = codec.encode_flat(&train).unwrap();
        let nested: Vec<&[f32]> = train.chunks(24).collect();
        assert_eq!(codec.encode(&nested).unwrap(), codes);
        let flat = codec.decode_flat(&codes).unwrap();
        assert_same_bits(&codec.decode(&codes).unwrap().concat(), &flat, "nested");
        let mut mapped = Vec::new();
        for view in codec.decode_mapped(&codes).unwrap() {
            mapped.extend_from_slice(&view.unwrap());
        }
        assert_same_bits(&mapped, &flat, "mapped");
        let halves = codec.decode_flat_f16(&codes).unwrap();
        let near =
            |(h, f): (&vecodec::f16, &f32)| (h.to_f32() - f).abs() <= 1e-6 + f.abs() / 1024.0;
        assert!(halves.iter().zip(&flat).all(near));
        let latents = codec.encode_latent(&train).unwrap();
        assert_eq!(latents.len(), 500 * model.config().latent_dim);
        codec.decode_latent(&latents).unwrap();
        assert_equally_good(&model, &train, &codes, "both engines");
        // Rows that cannot be encoded are reported, and the codec stays usable.
        let mut bad = train.clone();
        bad[24 * 7 + 3] = f32::NAN;
        let error = codec.encode_flat(&bad).unwrap_err();
        assert!(matches!(error, Error::NonFinite { row: 7, column: 3, .. }), "{error}");
        bad[24 * 7..24 * 8].fill(f32::MAX);
        let error = codec.encode_flat(&bad).unwrap_err();
        assert!(matches!(error, Error::Overflow { row: 7, .. }), "{error}");
        assert_eq!(codec.encode_flat(&train).unwrap(), codes);
    }
}

#[test]
fn more_bytes_and_more_states_mean_less_error() {
    let all = rows(4500, 32, 164);
    let (train, test) = all.split_at(4000 * 32);
    let error = |bytes, coding| {
        let model = fitted(train, 32, bytes, coding, RowNorm::Omit);
        relative_error(&codec(&cpu(), &model), test)
    };
    for bytes in [4, 8, 16] {
        let errors: Vec<f64> = codings().into_iter().map(|coding| error(bytes, coding)).collect();
        let [scalar, _, trellis, more] = errors[..] else { unreachable!() };
        assert!(trellis < 0.92 * scalar, "{bytes} bytes: {errors:?}");
        // More states learn more, and from so few rows some of it is chance.
        assert!(more < 1.03 * trellis, "{bytes} bytes: {errors:?}");
        assert!(error(bytes, Coding::Scalar) > 2.0 * error(2 * bytes, Coding::Scalar));
    }
}

#[test]
fn norms_are_stored_where_they_help() {
    let mut random = Random::new(166);
    let even = rows(2000, 24, 167);
    let uneven: Vec<f32> = even
        .chunks(24)
        .flat_map(|row| {
            let magnitude = random.normal().exp() as f32;
            row.iter().map(move |v| v * magnitude).collect::<Vec<_>>()
        })
        .collect();
    for (data, coding) in [
        (&even, Coding::Scalar),
        (&uneven, Coding::Scalar),
        (&uneven, Coding::Trellis { states: 64 }),
    ] {
        let error = |scale| {
            let model = fitted(data, 24, 14, coding, scale);
            relative_error(&codec(&cpu(), &model), data)
        };
        let (omitted, stored) = (error(RowNorm::Omit), error(RowNorm::Store));
        let auto = error(RowNorm::Auto);
        assert!(auto <= 1.02 * omitted.min(stored), "{auto} of {omitted} and {stored}");
    }
}

#[test]
fn fits_are_deterministic_and_reported() {
    let train = rows(700, 16, 168);
    let config = ModelConfig::bits(16, 6);
    let mut heard = Vec::new();
    let options = FitOptions::default().with_progress(|stage| heard.push(stage.name.clone()));
    let (model, report) = Model::fit_with(&train, config.clone(), options).unwrap();
    assert_eq!(model.fingerprint(), Model::fit(&train, config).unwrap().fingerprint());
    assert_eq!(heard, report.stages.iter().map(|s| s.name.clone()).collect::<Vec<_>>());
    assert_eq!((report.rows, report.rows_used), (700, 700));
    assert_eq!(report.bits_per_latent.len(), model.region_count());
    assert_eq!(Some(&report.bits_per_latent[0]), model.bits_per_latent(0).as_ref());
    assert_eq!(report.bits_per_latent[0].len(), model.config().latent_dim);
    // With and without scales were tried, and the better one was taken.
    let best = report.stages.iter().map(|s| s.relative_mse).fold(f64::MAX, f64::min);
    let measured = relative_error(&codec(&cpu(), &model), &train);
    assert!((best / measured - 1.0).abs() < 0.01, "{report:?} {measured}");
}

#[test]
fn files_bring_bit_codes_back() {
    let folder = tempfile::tempdir().unwrap();
    let train = rows(400, 20, 169);
    for (coding, scale) in
        [(Coding::Scalar, RowNorm::Store), (Coding::Trellis { states: 32 }, RowNorm::Omit)]
    {
        let model = fitted(&train, 20, 9, coding, scale);
        let (model_path, path) = (folder.path().join("model"), folder.path().join("codes"));
        model.save(&model_path).unwrap();
        let loaded = Model::load(&model_path).unwrap();
        assert_eq!(loaded.config(), model.config());
        assert_eq!(loaded.fingerprint(), model.fingerprint());
        let codec = codec(&cpu(), &loaded);
        let codes = codec.encode_flat(&train).unwrap();
        codes.save(&path).unwrap();
        assert_eq!(Codes::load(&path).unwrap(), codes);
        let mut writer = CodesWriter::create(&path, &loaded).unwrap();
        for part in train.chunks(20 * 150) {
            writer.append(&codec.encode_flat(part).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(CodesReader::open(&path).unwrap().read(0..400).unwrap(), codes);
        if scale == RowNorm::Omit {
            // Scales that the file has no room for are not dropped in silence.
            let packed = codes.as_bytes().to_vec();
            let scaled = Codes::from_parts(&loaded, packed, vec![2.0; 400]).unwrap();
            let mut writer = CodesWriter::create(&path, &loaded).unwrap();
            assert!(matches!(writer.append(&scaled), Err(Error::CodesShape { found: 400, .. })));
            scaled.save(&path).unwrap();
            assert_eq!(Codes::load(&path).unwrap(), scaled);
        }
        // A model file that is cut off at any length is refused.
        let whole = std::fs::read(&model_path).unwrap();
        for len in (0..whole.len()).step_by(97) {
            std::fs::write(&model_path, &whole[..len]).unwrap();
            assert!(Model::load(&model_path).is_err(), "{len} of {} bytes", whole.len());
        }
    }
}

#[test]
fn budgets_that_cannot_be_spent_are_refused() {
    let train = rows(100, 8, 170);
    let trellis = |states| ModelConfig::bits(8, 4).with_coding(Coding::Trellis { states });
    let refused = [
        ModelConfig::bits(8, 0),
        ModelConfig::bits(8, 4).with_row_norm(RowNorm::Store),
        ModelConfig::bits(8, 100_000),
        trellis(0),
        trellis(1),
        trellis(100),
        trellis(8192),
    ];
    for config in refused {
        let error = Model::fit(&train, config.clone()).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { .. }), "{config:?}: {error}");
    }
    let error = Model::random(ModelConfig::bits(8, 4), 1).unwrap_err();
    assert!(error.to_string().contains("Model::fit"), "{error}");
    Model::fit(&train, ModelConfig::bits(8, 4)).unwrap();
}

#[test]
fn odd_data_can_be_fitted() {
    let constant = vec![0.25f32; 50 * 6];
    let zeros = vec![0.0f32; 50 * 6];
    let one = rows(1, 6, 171);
    let huge: Vec<f32> = rows(50, 6, 172).iter().map(|v| v * 1e15).collect();
    let tiny: Vec<f32> = rows(50, 6, 173).iter().map(|v| v * 1e-15).collect();
    for coding in codings() {
        for scale in [RowNorm::Auto, RowNorm::Omit, RowNorm::Store] {
            for data in [&constant, &zeros, &one, &huge, &tiny] {
                let model = fitted(data, 6, 12, coding, scale);
                let codec = codec(&cpu(), &model);
                let error = relative_error(&codec, data);
                // A trellis of four states stores at most two bits per latent.
                let bound = if coding == (Coding::Trellis { states: 4 }) { 0.12 } else { 0.02 };
                assert!(error < bound, "{coding:?} {scale:?}: {error} of {:?}", &data[..6]);
            }
        }
    }
}
