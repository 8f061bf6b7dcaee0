//! Sizes around the sizes of tiles, words and workgroups, compared with the oracle.

use vecodec::CodecOptions;

use crate::compare::{ATOL, all_agree};
use crate::data::{Case, Random};
use crate::engines::{codec, kernel_suite};
use crate::oracle;

kernel_suite!(
    encoding_agrees_with_the_oracle,
    decoding_agrees_with_the_oracle,
    latents_agree_with_the_oracle,
    decoding_latents_agrees_with_the_oracle,
    every_small_size_decodes_every_code,
);

/// With the kernels that suit the adapter: cooperative matrices where the adapter has them.
mod chosen {
    use super::decoding_agrees_with_the_oracle;
    use crate::engines::gpu_suite;
    gpu_suite!(gpu: decoding_agrees_with_the_oracle);
}

/// Sizes just below, at and above those of tiles, words and workgroups.
pub const CASES: &[Case] = &[
    Case::new(1, 1, 1),
    Case::new(1, 1, 257).bias(),
    Case::new(1, 5, 13).bias().normalized(),
    Case::new(1, 300, 2),
    Case::new(2, 2, 1000).relu().normalized(),
    Case::new(3, 1, 65).bias(),
    Case::new(4, 4, 64).relu(),
    Case::new(5, 3, 12).normalized(),
    Case::new(5, 300, 65).bias(),
    Case::new(7, 5, 11).bias().relu().normalized(),
    Case::new(12, 13, 2).relu(),
    Case::new(13, 12, 63).bias(),
    Case::new(16, 40, 63).relu(),
    // So many rows that each weight-stationary workgroup loops over more than three row tiles.
    Case::new(20, 9, 25_001).bias().normalized(),
    Case::new(31, 7, 129).bias().normalized(),
    Case::new(33, 17, 1000).bias().relu().normalized(),
    Case::new(53, 97, 127).bias().normalized(),
    Case::new(63, 64, 65).relu().normalized(),
    Case::new(64, 63, 127).bias(),
    Case::new(64, 64, 64).bias().relu().normalized(),
    Case::new(65, 65, 128),
    Case::new(97, 53, 129).bias().relu(),
    Case::new(127, 128, 13).bias().relu(),
    Case::new(128, 127, 12).normalized(),
    Case::new(128, 128, 1000),
    Case::new(129, 129, 257).bias(),
    Case::new(256, 300, 128).bias().relu().normalized(),
    Case::new(257, 131, 129).relu(),
    Case::new(384, 64, 257),
    Case::new(384, 64, 1000).bias().relu().normalized(),
    Case::new(768, 1, 64).bias(),
    Case::new(768, 128, 1).bias(),
    Case::new(768, 128, 257).bias().relu(),
    Case::new(1536, 256, 11).bias().normalized(),
];

fn encoding_agrees_with_the_oracle(engine: &CodecOptions) {
    all_agree(|report| {
        for case in CASES {
            let model = case.model();
            let rows = case.rows(&model);
            let codes = codec(engine, &model).encode_flat(&rows).unwrap();
            report.codes(case, &oracle::encode(&model, &rows), &codes);
        }
    });
}

fn decoding_agrees_with_the_oracle(engine: &CodecOptions) {
    all_agree(|report| {
        for case in CASES {
            let model = case.model();
            let codec = codec(engine, &model);
            let codes = codec.encode_flat(&case.rows(&model)).unwrap();
            let decoded = codec.decode_flat(&codes).unwrap();
            report.rows(case, &oracle::decode(&model, &codes), &decoded, case.dim, ATOL);
        }
    });
}

fn latents_agree_with_the_oracle(engine: &CodecOptions) {
    all_agree(|report| {
        for case in CASES {
            let model = case.model();
            let rows = case.rows(&model);
            let latents = codec(engine, &model).encode_latent(&rows).unwrap();
            report.rows(case, &oracle::latents(&model, &rows), &latents, case.latent, ATOL);
        }
    });
}

fn decoding_latents_agrees_with_the_oracle(engine: &CodecOptions) {
    all_agree(|report| {
        for case in CASES {
            let model = case.model();
            let latents = Random::new(case.seed() + 2).normals(case.rows * case.latent, 1.0);
            let decoded = codec(engine, &model).decode_latent(&latents).unwrap();
            report.rows(case, &oracle::decode_latents(&model, &latents), &decoded, case.dim, ATOL);
        }
    });
}

/// Codes are packed four to a word, and rows need not end on a word. Each byte must decode with its
/// sign at every offset within a word.
fn every_small_size_decodes_every_code(engine: &CodecOptions) {
    all_agree(|report| {
        for latent in 1..=9 {
            for dim in [1, 2, 3, 5, 8] {
                let case = Case::new(dim, latent, 256).bias();
                let model = case.model();
                let bytes: Vec<u8> = (0..256 * latent).map(|i| (i % 256) as u8).collect();
                let scales = Random::new(case.seed()).normals(256, 0.01);
                let scales: Vec<f32> = scales.iter().map(|s| s.abs()).collect();
                let codes = vecodec::Codes::from_parts(&model, bytes, scales).unwrap();
                let decoded = codec(engine, &model).decode_flat(&codes).unwrap();
                report.rows(case, &oracle::decode(&model, &codes), &decoded, dim, ATOL);
            }
        }
    });
}
