//! Models of several regions.

use half::f16;
use vecodec::{
    CodecOptions, Codes, Coding, Error, FitOptions, Model, ModelConfig, Regions, RowNorm, metrics,
};

use crate::bit_code_search::assert_equally_good;
use crate::bit_codes::rows;
use crate::data::Random;
use crate::engines::{codec, cpu, gpu_suite, kernel_suite};
use crate::format_oracle::naive_decode;

const DIM: usize = 24;

kernel_suite!(
    rows_come_back_as_the_format_says,
    engines_choose_the_same_regions,
    numbers_of_regions_that_do_not_exist_are_harmless,
    rows_beyond_the_range_are_reported,
    latents_have_the_region_of_their_row,
);

mod f16_weights {
    use super::f16_weights_stay_close as stay_close;
    use super::gpu_suite;
    gpu_suite!(gpu_f16: stay_close);
    gpu_suite!(gpu_f16_registers: stay_close);
    gpu_suite!(gpu_f16_tiled: stay_close);
}

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

fn rows_come_back_as_the_format_says(engine: &CodecOptions) {
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
        let codec = codec(engine, &model);
        let codes = codec.encode_flat(&some).unwrap();
        let found = codec.decode_flat(&codes).unwrap();
        assert_equally_good(&model, &some, &codes, &label);
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
        let widened: Vec<f32> = halves.iter().map(|v| v.to_f32()).collect();
        assert_equally_good(&model, &widened, &codec.encode_flat(&halves).unwrap(), &label);

        let folder = tempfile::tempdir().unwrap();
        let (model_path, path) = (folder.path().join("model"), folder.path().join("codes"));
        model.save(&model_path).unwrap();
        let loaded = Model::load(&model_path).unwrap();
        assert_eq!(loaded.fingerprint(), model.fingerprint(), "{label}");
        assert_eq!(loaded.config(), model.config(), "{label}");
        codes.save(&path).unwrap();
        assert_eq!(Codes::load(&path).unwrap(), codes, "{label}");
        let again = crate::engines::codec(engine, &loaded).encode_flat(&some).unwrap();
        assert_eq!(again, codes, "{label}");
    }
}

/// The share of rows that two batches of codes place in different regions.
fn other_regions(a: &Codes, b: &Codes, regions: usize) -> f64 {
    let mask = regions.next_power_of_two() as u8 - 1;
    let rows = |codes: &Codes| -> Vec<u8> {
        let bytes = codes.as_bytes().len() / codes.row_count();
        codes.as_bytes().iter().step_by(bytes).map(|byte| byte & mask).collect()
    };
    let others = rows(a).into_iter().zip(rows(b)).filter(|(a, b)| a != b).count();
    others as f64 / a.row_count() as f64
}

/// Enough rows for several tiles of each region, and batches of a few rows after them.
fn engines_choose_the_same_regions(engine: &CodecOptions) {
    let train = clusters(3000, 6, 11);
    for (count, norm) in [(6, RowNorm::Omit), (13, RowNorm::Store)] {
        let model = fitted(&train, Regions::Count(count), 8, Coding::Scalar, norm);
        let (on_cpu, codec) = (codec(&cpu(), &model), codec(engine, &model));
        let expected = on_cpu.encode_flat(&train).unwrap();
        let codes = codec.encode_flat(&train).unwrap();
        assert!(other_regions(&codes, &expected, count) <= 0.001, "{count} regions");
        assert_equally_good(&model, &train, &codes, "regions");
        let (rows, expected) = (codec.decode_flat(&codes).unwrap(), on_cpu.decode_flat(&codes));
        for (at, (a, b)) in rows.iter().zip(expected.unwrap()).enumerate() {
            assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "row {}: {a} for {b}", at / DIM);
        }
        // Shorter batches after longer ones, and whatever their order.
        for rows in [1, 2, 63, 65, 257] {
            let part = &train[(3000 - rows) * DIM..];
            let found = codec.encode_flat(part).unwrap();
            assert_equally_good(&model, part, &found, "fewer rows");
            let start = codes.as_bytes().len() - found.as_bytes().len();
            assert_eq!(found.as_bytes(), &codes.as_bytes()[start..], "{rows} rows");
        }
        let reversed: Vec<f32> = train.rchunks(DIM).flatten().copied().collect();
        let found = codec.encode_flat(&reversed).unwrap();
        let back: Vec<u8> =
            found.as_bytes().rchunks(found.as_bytes().len() / 3000).flatten().copied().collect();
        assert_eq!(back, codes.as_bytes(), "the codes of a row do not depend on its neighbours");
    }
}

fn f16_weights_stay_close(engine: &CodecOptions) {
    let train = clusters(1000, 4, 12);
    let model = fitted(&train, Regions::Count(4), 8, Coding::Trellis { states: 16 }, RowNorm::Omit);
    let (on_cpu, codec) = (codec(&cpu(), &model), codec(engine, &model));
    let codes = codec.encode_flat(&train).unwrap();
    let expected = on_cpu.encode_flat(&train).unwrap();
    assert!(other_regions(&codes, &expected, 4) <= 0.001);
    let rows = codec.decode_flat(&codes).unwrap();
    let expected = on_cpu.decode_flat(&codes).unwrap();
    for (row, (a, b)) in rows.chunks(DIM).zip(expected.chunks(DIM)).enumerate() {
        let norm = b.iter().map(|v| v * v).sum::<f32>().sqrt();
        let far = a.iter().zip(b).any(|(a, b)| (a - b).abs() > 2e-3 * norm);
        assert!(!far, "row {row}: {a:?} for {b:?}");
    }
}

/// The region of a row is its first bits, and a number beyond the last region reads nothing beyond.
fn numbers_of_regions_that_do_not_exist_are_harmless(engine: &CodecOptions) {
    let model = fitted(
        &clusters(600, 3, 6),
        Regions::Count(3),
        4,
        Coding::Trellis { states: 16 },
        RowNorm::Omit,
    );
    let codes = Codes::from_parts(&model, vec![0xff; 4 * 10], 1.0).unwrap();
    let decoded = codec(engine, &model).decode_flat(&codes).unwrap();
    let expected = codec(&cpu(), &model).decode_flat(&codes).unwrap();
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
    assert!(decoded.iter().zip(&expected).all(near), "{decoded:?} for {expected:?}");
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
    let latents = vec![0.0; model.config().latent_dim];
    for error in [codec.encode_latent(&train), codec.decode_latent(&latents)] {
        let error = error.unwrap_err();
        let named = error.to_string().contains("_with_regions");
        assert!(named && matches!(error, Error::InvalidConfig { value: 2, .. }), "{error}");
    }
}

fn latents_have_the_region_of_their_row(engine: &CodecOptions) {
    let train = clusters(700, 5, 21);
    for norm in [RowNorm::Omit, RowNorm::Store] {
        let model = fitted(&train, Regions::Count(5), 8, Coding::Scalar, norm);
        let (codec, latent_dim) = (codec(engine, &model), model.config().latent_dim);
        let (latents, regions) = codec.encode_latent_with_regions(&train).unwrap();
        assert_eq!((latents.len(), regions.len()), (700 * latent_dim, 700));
        let codes = codec.encode_flat(&train).unwrap();
        let bytes = codes.as_bytes().len() / 700;
        for (row, region) in regions.iter().enumerate() {
            assert_eq!(codes.as_bytes()[row * bytes] & 7, *region, "row {row}");
            let own = model.bits_per_latent(usize::from(*region)).unwrap().len();
            let rest = &latents[row * latent_dim + own..(row + 1) * latent_dim];
            assert!(rest.iter().all(|z| *z == 0.0), "row {row} has more latents than its region");
        }
        // The latents of all regions leave less than their codes do.
        let decoded = codec.decode_latent_with_regions(&latents, &regions).unwrap();
        let rows: Vec<f32> = match norm {
            RowNorm::Store => train.chunks(DIM).flat_map(normalized).collect(),
            _ => train.clone(),
        };
        let left = metrics::relative_mse(&rows, &decoded).unwrap();
        let coded = metrics::relative_mse(&train, &codec.decode_flat(&codes).unwrap()).unwrap();
        assert!(left < 0.5 * coded, "{norm:?}: {left} without quantising, {coded} with it");
        // Values behind the latents of a region count nothing.
        let mut longer = latents.clone();
        for (row, region) in regions.iter().enumerate() {
            let own = model.bits_per_latent(usize::from(*region)).unwrap().len();
            longer[row * latent_dim + own..(row + 1) * latent_dim].fill(9.0);
        }
        assert_eq!(codec.decode_latent_with_regions(&longer, &regions).unwrap(), decoded);
        let async_latents = codec.encode_latent_with_regions_async(&train);
        assert_eq!(pollster::block_on(async_latents).unwrap(), (latents.clone(), regions.clone()));
        let async_rows = codec.decode_latent_with_regions_async(&latents, &regions);
        assert_eq!(pollster::block_on(async_rows).unwrap(), decoded);

        let error = codec.decode_latent_with_regions(&latents, &regions[1..]).unwrap_err();
        assert!(matches!(error, Error::RegionsLength { rows: 700, found: 699, .. }), "{error}");
        let mut unknown = regions.clone();
        unknown[33] = 5;
        let error = codec.decode_latent_with_regions(&latents, &unknown).unwrap_err();
        let expected = (33, 5, 5);
        assert!(
            matches!(error, Error::UnknownRegion { row, region, count, .. } if (row, region, count) == expected),
            "{error}"
        );
        assert_eq!(codec.decode_latent_with_regions(&latents, &regions).unwrap(), decoded);
    }
    // A model of one region has region 0 alone.
    let model = fitted(&train, Regions::Count(1), 8, Coding::Scalar, RowNorm::Omit);
    let codec = codec(engine, &model);
    let (latents, regions) = codec.encode_latent_with_regions(&train).unwrap();
    assert_eq!((codec.encode_latent(&train).unwrap(), vec![0; 700]), (latents.clone(), regions));
    let rows = codec.decode_latent_with_regions(&latents, &[0; 700]).unwrap();
    assert_eq!(rows, codec.decode_latent(&latents).unwrap());
}

fn normalized(row: &[f32]) -> Vec<f32> {
    let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
    row.iter().map(|v| v / norm).collect()
}

fn rows_beyond_the_range_are_reported(engine: &CodecOptions) {
    let train = clusters(300, 2, 8);
    let model = fitted(&train, Regions::Count(2), 6, Coding::Trellis { states: 16 }, RowNorm::Omit);
    let codec = codec(engine, &model);
    let codes = codec.encode_flat(&train).unwrap();
    let mut bad = train.clone();
    bad[DIM * 150..DIM * 151].fill(f32::MAX);
    bad[DIM * 120..DIM * 121].fill(f32::MAX);
    let error = codec.encode_flat(&bad).unwrap_err();
    assert!(matches!(error, Error::Overflow { row: 120, .. }), "{error}");
    bad[DIM * 70 + 1] = f32::NAN;
    let error = codec.encode_flat(&bad).unwrap_err();
    assert!(matches!(error, Error::NonFinite { row: 70, column: 1, .. }), "{error}");
    assert_eq!(codec.encode_flat(&train).unwrap(), codes, "the codec works on");
}
