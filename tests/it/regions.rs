//! Models of several regions, on the CPU engine.

use half::f16;
use vecodec::{
    Codec, CodecOptions, Codes, Coding, Engine, Error, FitOptions, Model, ModelConfig, Regions,
    RowNorm, metrics,
};

use crate::bit_codes::rows;
use crate::data::Random;
use crate::engines::{codec, cpu};
use crate::format_oracle::naive_decode;

const DIM: usize = 24;

/// Rows of several clusters in turn, each with a mean and axes of its own.
fn clusters(count: usize, clusters: usize, seed: u64) -> Vec<f32> {
    let of_cluster: Vec<Vec<f32>> = (0..clusters)
        .map(|cluster| rows(count.div_ceil(clusters), DIM, 1000 * cluster as u64 + 7))
        .collect();
    let mut random = Random::new(seed);
    let means: Vec<Vec<f32>> =
        (0..clusters).map(|cluster| Random::new(cluster as u64).normals(DIM, 1.5)).collect();
    (0..count)
        .flat_map(|row| {
            let cluster = random.normal().abs().mul_add(997.0, row as f64) as usize % clusters;
            let values = &of_cluster[cluster][row / clusters * DIM..][..DIM];
            values.iter().zip(&means[cluster]).map(|(v, m)| v + m).collect::<Vec<f32>>()
        })
        .collect()
}

fn fitted(train: &[f32], regions: Regions, bytes: usize, coding: Coding, norm: RowNorm) -> Model {
    let config = ModelConfig::bits(DIM, bytes).with_coding(coding).with_row_norm(norm);
    Model::fit(train, config.with_regions(regions)).unwrap()
}

fn relative_error(model: &Model, rows: &[f32]) -> f64 {
    let codec = codec(&cpu(), model);
    let decoded = codec.decode_flat(&codec.encode_flat(rows).unwrap()).unwrap();
    metrics::relative_mse(rows, &decoded).unwrap()
}

#[test]
fn regions_need_less_error_for_the_same_bytes() {
    let all = clusters(2600, 4, 1);
    let (train, test) = all.split_at(2000 * DIM);
    for coding in [Coding::Scalar, Coding::Trellis { states: 64 }] {
        let error = |count| {
            let regions = Regions::Count(count);
            relative_error(&fitted(train, regions, 8, coding, RowNorm::Omit), test)
        };
        let (one, four) = (error(1), error(4));
        assert!(four < 0.8 * one, "{coding:?}: {four} with four regions, {one} with one");
    }
}

#[test]
fn the_number_of_regions_is_chosen_on_rows_held_out() {
    let clustered = clusters(4500, 4, 2);
    let config = ModelConfig::bits(DIM, 8).with_coding(Coding::Scalar);
    let config = config.with_row_norm(RowNorm::Omit).with_regions(Regions::Auto);
    let (model, report) =
        Model::fit_with(&clustered, config.clone(), FitOptions::default()).unwrap();
    assert_eq!(model.region_count(), 4, "{report:?}");
    assert_eq!(model.config().regions(), Some(Regions::Count(4)));
    let again = Model::fit(&clustered, config.clone()).unwrap();
    assert_eq!(again.fingerprint(), model.fingerprint(), "the same rows give the same model");
    // One Gaussian cloud has one region, and few rows carry no more.
    assert_eq!(Model::fit(&rows(4500, DIM, 3), config.clone()).unwrap().region_count(), 1);
    assert_eq!(Model::fit(&clustered[..1500 * DIM], config).unwrap().region_count(), 1);
}

#[test]
fn rows_come_back_as_the_format_says() {
    let train = clusters(700, 5, 4);
    let some = clusters(90, 5, 5);
    for (count, bytes, coding, norm) in [
        (2, 3, Coding::Scalar, RowNorm::Omit),
        (5, 9, Coding::Scalar, RowNorm::Store),
        (3, 4, Coding::Trellis { states: 8 }, RowNorm::Omit),
        (7, 13, Coding::Trellis { states: 256 }, RowNorm::Store),
        (200, 6, Coding::Trellis { states: 16 }, RowNorm::Omit),
    ] {
        let label = format!("{count} regions in {bytes} bytes, {coding:?}, {norm:?}");
        let model = fitted(&train, Regions::Count(count), bytes, coding, norm);
        assert_eq!(model.region_count(), count, "{label}");
        assert_eq!(model.config().code_size(), bytes, "{label}");
        let codec = codec(&cpu(), &model);
        let codes = codec.encode_flat(&some).unwrap();
        let found = codec.decode_flat(&codes).unwrap();
        let expected = naive_decode(&model, &codes);
        for (row, (found, expected)) in found.chunks(DIM).zip(expected.chunks(DIM)).enumerate() {
            let norm = expected.iter().map(|v| v * v).sum::<f64>().sqrt();
            let far = found
                .iter()
                .zip(expected)
                .any(|(a, b)| (f64::from(*a) - b).abs() > 1e-5 * (1.0 + norm));
            assert!(!far, "{label} row {row}: {found:?} for {expected:?}");
        }
        // The codes of a row depend neither on its batch nor on its neighbours.
        for rows in [1, 7, 64] {
            let part = codec.encode_flat(&some[..rows * DIM]).unwrap();
            assert_eq!(part.as_bytes(), &codes.as_bytes()[..part.as_bytes().len()], "{label}");
        }
        let halves: Vec<f16> = found.iter().map(|v| f16::from_f32(*v)).collect();
        assert_eq!(codec.decode_flat_f16(&codes).unwrap(), halves, "{label}");
        assert_eq!(codec.encode_flat(&halves).unwrap().row_count(), 90, "{label}");

        let folder = tempfile::tempdir().unwrap();
        let (model_path, path) = (folder.path().join("model"), folder.path().join("codes"));
        model.save(&model_path).unwrap();
        let loaded = Model::load(&model_path).unwrap();
        assert_eq!(loaded.fingerprint(), model.fingerprint(), "{label}");
        assert_eq!(loaded.config(), model.config(), "{label}");
        codes.save(&path).unwrap();
        assert_eq!(Codes::load(&path).unwrap(), codes, "{label}");
        let again = crate::engines::codec(&cpu(), &loaded).encode_flat(&some).unwrap();
        assert_eq!(again, codes, "{label}");
    }
}

/// The region of a row is its first bits, and a number beyond the last region reads nothing beyond.
#[test]
fn numbers_of_regions_that_do_not_exist_are_harmless() {
    let model = fitted(
        &clusters(600, 3, 6),
        Regions::Count(3),
        4,
        Coding::Trellis { states: 16 },
        RowNorm::Omit,
    );
    let codes = Codes::from_parts(&model, vec![0xff; 4 * 10], 1.0).unwrap();
    let decoded = codec(&cpu(), &model).decode_flat(&codes).unwrap();
    assert!(decoded.iter().all(|v| v.is_finite()));
}

#[test]
fn what_regions_do_not_allow_is_refused() {
    let train = clusters(300, 2, 8);
    for (count, bytes) in [(0, 8), (257, 8), (256, 1)] {
        let config = ModelConfig::bits(DIM, bytes).with_row_norm(RowNorm::Omit);
        let error = Model::fit(&train, config.with_regions(Regions::Count(count))).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig { field: "regions", .. }), "{error}");
    }
    let model = fitted(&train, Regions::Count(2), 6, Coding::Trellis { states: 16 }, RowNorm::Omit);
    let codec = codec(&cpu(), &model);
    let codes = codec.encode_flat(&train).unwrap();
    let latent_dim = model.config().latent_dim;
    for error in [
        codec.encode_latent(&train).unwrap_err(),
        codec.decode_latent(&vec![0.0; latent_dim]).unwrap_err(),
    ] {
        assert!(
            matches!(error, Error::InvalidConfig { field: "regions", value: 2, .. }),
            "{error}"
        );
    }
    let mut bad = train.clone();
    bad[DIM * 150..DIM * 151].fill(f32::MAX);
    bad[DIM * 120..DIM * 121].fill(f32::MAX);
    let error = codec.encode_flat(&bad).unwrap_err();
    assert!(matches!(error, Error::Overflow { row: 120, .. }), "{error}");
    assert_eq!(codec.encode_flat(&train).unwrap(), codes, "the codec works on");
    let auto = Codec::with_options(model, CodecOptions::default().with_engine(Engine::Auto));
    assert_eq!(auto.unwrap().encode_flat(&train).unwrap(), codes, "Auto takes the CPU engine");
}
