//! Batches and rows that exceed one buffer, dispatch or chunk.

use vecodec::wgpu::DeviceType;
use vecodec::{Codec, CodecOptions, Engine, Error, Model, ModelConfig, Tiling, Weights};

use crate::engines::{codec, kernel_suite};

kernel_suite!(more_rows_than_workgroups, long_rows_and_long_latents);

/// Five million rows of one value, compared with a closed form: each code is 0 or ±127.
fn more_rows_than_workgroups(engine: &CodecOptions) {
    const ROWS: usize = 5_000_000;
    let weights = Weights { encoder: vec![0.5], decoder: vec![3.0], ..Weights::default() };
    let model = Model::from_weights(ModelConfig::int8(1, 1), weights).unwrap();
    let value = |row: usize| match row % 1000 {
        0 => 0.0,
        k if row.is_multiple_of(2) => -(k as f32) - (row / 100_000) as f32,
        k => k as f32 / 1024.0 + (row / 1000) as f32,
    };
    let rows: Vec<f32> = (0..ROWS).map(value).collect();
    let codec = codec(engine, &model);
    let codes = codec.encode_flat(&rows).unwrap();
    assert_eq!(
        (codes.row_count(), codes.scales().len(), codes.as_bytes().len()),
        (ROWS, ROWS, ROWS)
    );
    for (row, (&byte, &scale)) in codes.as_bytes().iter().zip(codes.scales()).enumerate() {
        let x = rows[row];
        let code = if x == 0.0 { 0 } else { 127.0f32.copysign(x) as i8 };
        let expected = f64::from(x.abs()) * 0.5 / 127.0;
        assert_eq!(byte as i8, code, "row {row} of {x}");
        let error = (f64::from(scale) - expected).abs();
        assert!(error <= 1e-5 * expected, "row {row} of {x}: scale {scale}");
    }
    let decoded = codec.decode_flat(&codes).unwrap();
    for (row, (decoded, x)) in decoded.iter().zip(&rows).enumerate() {
        let expected = 1.5 * f64::from(*x);
        let error = (f64::from(*decoded) - expected).abs();
        assert!(error <= 1e-5 + 1e-5 * expected.abs(), "row {row} of {x} decoded to {decoded}");
    }
}

/// Whether a software adapter refuses rows of so many values. Mesa's software adapter ends a
/// shader's loops after 65,535 iterations. Register-blocked kernels take four values per iteration.
/// Tiled kernels also loop within a step.
fn loops_are_too_long(engine: &CodecOptions, values: usize) -> bool {
    let Engine::Gpu(gpu) = &engine.engine else { return false };
    let max_values = if engine.tiling == Some(Tiling::Tiled) { 30_000 } else { 260_000 };
    gpu.adapter_info().device_type == DeviceType::Cpu && values > max_values
}

/// Rows or latents that are longer than any workgroup is wide. The weights are ones on a diagonal,
/// so that a value at a wrong position is found.
fn long_rows_and_long_latents(engine: &CodecOptions) {
    for (dim, latent) in [(70_001, 3), (3, 70_001), (300_000, 3)] {
        let mut encoder = vec![0.0; dim * latent];
        let mut decoder = vec![0.0; dim * latent];
        // Position i of the long side meets position i % 3 of the short side.
        for i in 0..dim.max(latent) {
            let (l, d) = (i % latent, i % dim);
            encoder[l * dim + d] = if i >= dim.max(latent) - 3 { 1.0 } else { 0.0 };
            decoder[d * latent + l] = if i >= dim.max(latent) - 3 { 1.0 } else { 0.0 };
        }
        let weights = Weights { encoder, decoder, ..Weights::default() };
        let model = Model::from_weights(ModelConfig::int8(dim, latent), weights).unwrap();
        if loops_are_too_long(engine, dim.max(latent)) {
            let error = Codec::with_options(model, engine.clone()).unwrap_err();
            assert!(matches!(error, Error::Limit { what: "loop iterations", .. }), "{error}");
            continue;
        }
        let mut rows = vec![7.0f32; 2 * dim];
        for (i, value) in [127.0, -31.0, 90.0].into_iter().enumerate() {
            rows[dim - 3 + i] = value;
            rows[2 * dim - 3 + i] = -value;
        }
        let codec = codec(engine, &model);
        let codes = codec.encode_flat(&rows).unwrap();
        assert_eq!(codes.scales(), [1.0, 1.0], "{dim} -> {latent}");
        let decoded = codec.decode_flat(&codes).unwrap();
        for (row, decoded) in decoded.chunks(dim).enumerate() {
            let sign = if row == 0 { 1.0 } else { -1.0 };
            assert_eq!(decoded[dim - 3..], [127.0 * sign, -31.0 * sign, 90.0 * sign]);
            assert!(decoded[..dim - 3].iter().all(|v| *v == 0.0), "{dim} -> {latent}, row {row}");
        }
    }
}
