//! The search for bit codes: both engines find equally good codes, and codes of two bytes are the
//! best of all possible codes.

use vecodec::wgpu::DeviceType;
use vecodec::{Codec, CodecOptions, Codes, Coding, Engine, Error, Model, RowNorm};

use crate::bit_codes::{fitted, rows};
use crate::compare::RTOL;
use crate::data::Random;
use crate::devices::limited;
use crate::engines::{codec, cpu, engine_suite, gpu_suite, kernel_suite};

gpu_suite!(gpu:
    engines_find_equally_good_codes,
    chunks_of_few_rows_change_nothing,
    searches_too_long_for_an_adapter_are_refused,
    searches_too_large_for_a_workgroup_are_refused,
);

mod norms {
    use super::{kernel_suite, rows_of_any_norm_are_encoded_alike};
    kernel_suite!(rows_of_any_norm_are_encoded_alike);
}

mod best {
    use super::{engine_suite, the_best_code_there_is_is_found};
    engine_suite!(the_best_code_there_is_is_found);
}

const fn trellis(states: usize) -> Coding {
    Coding::Trellis { states }
}

/// Compares codes with those of the CPU engine. Engines round sums differently, so that a near tie
/// may give different codes. The errors of both codes must then be equal.
pub fn assert_equally_good(model: &Model, rows: &[f32], found: &Codes, label: &str) {
    let on_cpu = codec(&cpu(), model);
    let expected = on_cpu.encode_flat(rows).unwrap();
    assert_eq!(found.scales().len(), expected.scales().len(), "{label}");
    for (scale, expected) in found.scales().iter().zip(expected.scales()) {
        let error = f64::from((scale - expected).abs());
        assert!(error <= RTOL * f64::from(*expected), "{label}: scale {scale} for {expected}");
    }
    let dim = model.config().dim;
    let bytes = expected.as_bytes().len() / expected.row_count();
    let packed_rows = |codes: &Codes| -> Vec<Vec<u8>> {
        codes.as_bytes().chunks(bytes).map(<[u8]>::to_vec).collect()
    };
    let pairs = packed_rows(found).into_iter().zip(packed_rows(&expected));
    let others = pairs.filter(|(found, expected)| found != expected).count();
    assert!(
        others <= 1 + expected.row_count() / 100,
        "{label}: {others} of {} rows",
        expected.row_count()
    );
    let error = |codes: &Codes| -> Vec<f64> {
        let decoded = on_cpu.decode_flat(codes).unwrap();
        let pairs = rows.chunks(dim).zip(decoded.chunks(dim));
        let squares = |(a, b): (&[f32], &[f32])| {
            a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
        };
        pairs.map(squares).collect()
    };
    let energies = rows.chunks(dim).map(|r| r.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>());
    let errors = error(found).into_iter().zip(error(&expected)).zip(energies);
    for (row, ((found, expected), energy)) in errors.enumerate() {
        let bound = 1e-3 * expected + 1e-8 * energy;
        assert!((found - expected).abs() <= bound, "{label} row {row}: {found} for {expected}");
    }
}

fn engines_find_equally_good_codes(engine: &CodecOptions) {
    use RowNorm::{Omit, Store};
    for (dim, bytes, coding, scale, count) in [
        (1, 1, Coding::Scalar, Omit, 1),
        (1, 1, trellis(2), Omit, 1),
        (1, 1, trellis(256), Omit, 300),
        (3, 3, Coding::Scalar, Omit, 65),
        (2, 6, trellis(4), Store, 100),
        (5, 5, trellis(4096), Omit, 33),
        (13, 4, trellis(8), Omit, 1000),
        (13, 13, trellis(32), Store, 257),
        (24, 28, trellis(256), Store, 100),
        (31, 7, trellis(64), Omit, 500),
        (40, 17, Coding::Scalar, Store, 3000),
        (47, 11, trellis(128), Omit, 129),
        (67, 33, trellis(256), Omit, 1000),
        (67, 37, trellis(512), Store, 100),
        (53, 23, trellis(1024), Omit, 100),
        (53, 9, trellis(2048), Store, 64),
        (97, 25, trellis(4096), Omit, 64),
        (150, 64, Coding::Scalar, Omit, 700),
    ] {
        let model = fitted(&rows(120, dim, 301), dim, bytes, coding, scale);
        let label = format!("{dim} in {bytes} bytes, {coding:?}, {scale:?}, {count} rows");
        let some = rows(count, dim, 302);
        let found = codec(engine, &model).encode_flat(&some).unwrap();
        assert_equally_good(&model, &some, &found, &label);
    }
}

/// Encodes zero, tiny and huge rows. Rows that are too large give the same error on both engines.
fn rows_of_any_norm_are_encoded_alike(engine: &CodecOptions) {
    let dim = 10;
    for coding in [Coding::Scalar, trellis(16)] {
        let model = fitted(&rows(300, dim, 303), dim, 9, coding, RowNorm::Store);
        let codec = codec(engine, &model);
        let mut some = rows(200, dim, 304);
        // A GPU may flush subnormal values to zero. Only the rows of magnitude 1e-42 have such
        // values.
        let magnitudes = [0.0, 1e-42, 1e-33, 1e-20, 1.0, 1e20, 1e37];
        for (row, magnitude) in some.chunks_mut(dim).zip(magnitudes.iter().cycle()) {
            row.iter_mut().for_each(|v| *v *= magnitude);
        }
        let codes = codec.encode_flat(&some).unwrap();
        assert_eq!(codes.scales()[..2], [0.0, 0.0], "{coding:?}");
        let decoded = codec.decode_flat(&codes).unwrap();
        assert!(decoded[..2 * dim].iter().all(|v| *v == 0.0), "{coding:?}");
        // The squares of these rows overflow or vanish, so the rows are compared at magnitude 1.
        let normalized: Vec<f32> = some
            .chunks(dim)
            .zip(magnitudes.iter().cycle())
            .flat_map(|(row, f)| row.iter().map(move |v| if *f > 1e-38 { v / f } else { 0.0 }))
            .collect();
        let scales: Vec<f32> = codes
            .scales()
            .iter()
            .zip(magnitudes.iter().cycle())
            .map(|(s, f)| if *f > 1e-38 { s / f } else { 0.0 })
            .collect();
        let normalized_codes =
            Codes::from_parts(&model, codes.as_bytes().to_vec(), scales).unwrap();
        assert_equally_good(&model, &normalized, &normalized_codes, &format!("{coding:?}"));

        for scale in [RowNorm::Store, RowNorm::Omit] {
            let model = fitted(&rows(300, dim, 303), dim, 9, coding, scale);
            let codec = crate::engines::codec(engine, &model);
            let mut bad = some.clone();
            bad[dim * 150..dim * 151].fill(f32::MAX);
            bad[dim * 170..dim * 171].fill(f32::MAX);
            for error in
                [codec.encode_flat(&bad).unwrap_err(), codec.encode_latent(&bad).unwrap_err()]
            {
                assert!(matches!(error, Error::Overflow { row: 150, .. }), "{coding:?}: {error}");
            }
            assert_eq!(codec.encode_flat(&some).unwrap(), codec.encode_flat(&some).unwrap());
        }
    }
}

/// Compares each code with all 65,536 codes of two bytes.
fn the_best_code_there_is_is_found(engine: &CodecOptions) {
    let dim = 6;
    for coding in [Coding::Scalar, trellis(8), trellis(16), trellis(256)] {
        let model = fitted(&rows(500, dim, 305), dim, 2, coding, RowNorm::Omit);
        assert_eq!(model.config().code_size(), 2, "{coding:?}");
        let codec = codec(engine, &model);
        let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let all = codec.decode_flat(&Codes::from_parts(&model, all, 1.0).unwrap()).unwrap();
        let some = rows(40, dim, 306);
        let found = codec.decode_flat(&codec.encode_flat(&some).unwrap()).unwrap();
        let error =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        for (row, found) in some.chunks(dim).zip(found.chunks(dim)) {
            let best = all.chunks(dim).map(|other| error(row, other)).fold(f32::MAX, f32::min);
            let found = error(row, found);
            // Both errors include what the latents cannot represent.
            assert!(found <= best * 1.001 + 1e-5, "{coding:?}: {found} over {best}");
        }
    }
}

fn chunks_of_few_rows_change_nothing(engine: &CodecOptions) {
    let small = limited(engine, |limits| {
        limits.max_storage_buffer_binding_size = 16 << 10;
        limits.max_compute_workgroups_per_dimension = 3;
    });
    // Also a caller's device: the adapter's own device may have cooperative matrices.
    let large = limited(engine, |_| {});
    for (coding, scale) in [
        (Coding::Scalar, RowNorm::Store),
        (trellis(16), RowNorm::Omit),
        (trellis(256), RowNorm::Store),
    ] {
        let model = fitted(&rows(300, 13, 307), 13, 11, coding, scale);
        let some = rows(1001, 13, 308);
        let found = codec(&small, &model).encode_flat(&some).unwrap();
        assert_eq!(found, codec(&large, &model).encode_flat(&some).unwrap(), "{coding:?}");
        assert_equally_good(&model, &some, &found, &format!("{coding:?} {scale:?}"));
        let latents = codec(&small, &model).encode_latent(&some).unwrap();
        assert_eq!(latents, codec(&large, &model).encode_latent(&some).unwrap(), "{coding:?}");
    }
}

/// A trellis of 4,096 states needs 16 KiB and 8 bytes of workgroup memory for its costs. The limit leaves room
/// for the tiles of a GEMM, which need 12,800 bytes.
fn searches_too_large_for_a_workgroup_are_refused(engine: &CodecOptions) {
    let small = limited(engine, |limits| limits.max_compute_workgroup_storage_size = 14 << 10);
    let train = rows(50, 2, 311);
    let model = fitted(&train, 2, 2, trellis(4096), RowNorm::Omit);
    let error = Codec::with_options(model, small.clone()).unwrap_err();
    assert!(matches!(error, Error::Limit { required: 16392, available: 14336, .. }), "{error}");
    let model = fitted(&train, 2, 2, trellis(2048), RowNorm::Omit);
    let found = codec(&small, &model).encode_flat(&train).unwrap();
    assert_equally_good(&model, &train, &found, "2048 states");
}

/// A software adapter ends loops after 65,535 iterations. A trellis of 512 states takes about 290
/// iterations per latent of seven to nine bits.
fn searches_too_long_for_an_adapter_are_refused(engine: &CodecOptions) {
    let Engine::Gpu(gpu) = &engine.engine else { panic!("{engine:?} is no GPU") };
    let software = gpu.adapter_info().device_type == DeviceType::Cpu;
    for (dim, long) in [(150, false), (320, true)] {
        // Latents of equal variance get about equal bits.
        let train = Random::new(309).normals(600 * dim, 1.0);
        let model = fitted(&train, dim, dim, trellis(512), RowNorm::Omit);
        assert_eq!(model.config().latent_dim, dim);
        match Codec::with_options(model.clone(), engine.clone()) {
            Err(error) => {
                assert!(software && long, "{dim}: {error}");
                assert!(matches!(error, Error::Limit { what: "loop iterations", .. }), "{error}");
            }
            Ok(codec) => {
                assert!(!(software && long), "{dim}");
                let some = Random::new(310).normals(20 * dim, 1.0);
                let found = codec.encode_flat(&some).unwrap();
                assert_equally_good(&model, &some, &found, &format!("{dim}"));
            }
        }
    }
}
