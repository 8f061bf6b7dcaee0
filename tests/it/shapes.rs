//! Every size that could fall between two tiles, against the oracle.

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

/// With the kernels that the adapter is given: on matrix units, where it has them.
mod chosen {
    use super::decoding_agrees_with_the_oracle;
    use crate::engines::gpu_suite;
    gpu_suite!(gpu: decoding_agrees_with_the_oracle);
}

const fn case(dim: usize, latent: usize, rows: usize, letters: &'static str) -> Case {
    Case { dim, latent, rows, letters }
}

/// Sizes on both sides of what tiles, words and workgroups are likely to be.
pub const CASES: &[Case] = &[
    case(1, 1, 1, ""),
    case(1, 1, 257, "b"),
    case(1, 5, 13, "bn"),
    case(1, 300, 2, ""),
    case(2, 2, 1000, "rn"),
    case(3, 1, 65, "b"),
    case(4, 4, 64, "r"),
    case(5, 3, 12, "n"),
    case(5, 300, 65, "b"),
    case(7, 5, 11, "brn"),
    case(12, 13, 2, "r"),
    case(13, 12, 63, "b"),
    case(16, 40, 63, "r"),
    // More rows than the workgroups that share a column of weights take in three rounds.
    case(20, 9, 25_001, "bn"),
    case(31, 7, 129, "bn"),
    case(33, 17, 1000, "brn"),
    case(53, 97, 127, "bn"),
    case(63, 64, 65, "rn"),
    case(64, 63, 127, "b"),
    case(64, 64, 64, "brn"),
    case(65, 65, 128, ""),
    case(97, 53, 129, "br"),
    case(127, 128, 13, "br"),
    case(128, 127, 12, "n"),
    case(128, 128, 1000, ""),
    case(129, 129, 257, "b"),
    case(256, 300, 128, "brn"),
    case(257, 131, 129, "r"),
    case(384, 64, 257, ""),
    case(384, 64, 1000, "brn"),
    case(768, 1, 64, "b"),
    case(768, 128, 1, "b"),
    case(768, 128, 257, "br"),
    case(1536, 256, 11, "bn"),
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

/// Codes packed four to a word and rows that do not end on one: each byte must arrive with its
/// sign, at every offset a row can have.
fn every_small_size_decodes_every_code(engine: &CodecOptions) {
    all_agree(|report| {
        for latent in 1..=9 {
            for dim in [1, 2, 3, 5, 8] {
                let case = Case { dim, latent, rows: 256, letters: "b" };
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
