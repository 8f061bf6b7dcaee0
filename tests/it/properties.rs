//! Laws that hold for every model, every batch and every way to divide it. Shapes, weights and
//! divisions are random, from a fixed seed: each run tries the same cases.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use vecodec::{
    Codec, CodecOptions, Codes, CodesReader, CodesWriter, Coding, Engine, Model, RowNorm,
};

use crate::bit_code_search::assert_equally_good;
use crate::bit_codes::{fitted, rows};
use crate::compare::{ATOL, all_agree, assert_same_bits};
use crate::data::{Case, Options};
use crate::engines::{codec, engine_suite};
use crate::oracle;

engine_suite!(
    a_concatenation_decodes_to_the_concatenated_rows,
    a_concatenation_encodes_to_the_concatenated_codes,
    selected_codes_decode_to_the_selected_rows,
    codes_put_together_again_are_the_codes,
    files_bring_back_what_was_saved,
    engines_agree_with_the_definition,
);

/// A model, and a batch that it can encode.
#[derive(Clone, Debug)]
enum Trial {
    Int8(Case),
    Bits { dim: usize, bytes: usize, coding: Coding, norms: RowNorm, rows: usize, seed: u64 },
}

impl Trial {
    fn model(&self) -> Model {
        match *self {
            Self::Int8(case) => case.model(),
            Self::Bits { dim, bytes, coding, norms, seed, .. } => {
                fitted(&rows(60, dim, seed), dim, bytes, coding, norms)
            }
        }
    }

    fn batch(&self, model: &Model) -> Vec<f32> {
        match *self {
            Self::Int8(case) => case.rows(model),
            Self::Bits { dim, rows: count, seed, .. } => rows(count, dim, seed ^ 1),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Int8(case) => case.rows,
            Self::Bits { rows, .. } => *rows,
        }
    }
}

fn int8() -> impl Strategy<Value = Trial> {
    let option = (any::<bool>(), any::<bool>(), any::<bool>());
    (1..=48usize, 1..=48usize, 1..=90usize, option).prop_map(|(dim, latent, rows, option)| {
        let (bias, relu, normalized) = option;
        Trial::Int8(Case { dim, latent, rows, options: Options { bias, relu, normalized } })
    })
}

fn bits() -> impl Strategy<Value = Trial> {
    let coding = prop_oneof![
        Just(Coding::Scalar),
        (1..=7u32).prop_map(|bits| Coding::Trellis { states: 1 << bits }),
    ];
    let norms = prop_oneof![Just(RowNorm::Omit), Just(RowNorm::Store)];
    (1..=20usize, 1..=12usize, coding, norms, 1..=90usize, 0..1000u64).prop_map(
        |(dim, bytes, coding, norms, rows, seed)| {
            let bytes = if norms == RowNorm::Store { bytes + 4 } else { bytes };
            Trial::Bits { dim, bytes, coding, norms, rows, seed }
        },
    )
}

fn trials() -> impl Strategy<Value = Trial> {
    prop_oneof![2 => int8(), 1 => bits()]
}

/// A trial, and where its batch is divided, as shares of its rows.
fn divided() -> impl Strategy<Value = (Trial, Vec<f64>)> {
    (trials(), prop::collection::vec(0.0..1.0, 0..5))
}

/// Row numbers from 0 to `rows` in order, the ends of the parts of a batch. No part is empty.
fn ends(rows: usize, shares: &[f64]) -> Vec<usize> {
    let mut ends: Vec<usize> = shares.iter().map(|share| (share * rows as f64) as usize).collect();
    ends.extend([0, rows]);
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Tries a law on random cases. A software GPU is slow, and gets few.
fn for_all<S: Strategy>(engine: &CodecOptions, cases: S, law: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let count = if matches!(engine.engine, Engine::Cpu) { 80 } else { 8 };
    // A failing case would be written to a file beside the sources.
    let config = Config { failure_persistence: None, cases: count, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&cases, |case| {
        law(case);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

fn joined(parts: &[Codes]) -> Codes {
    let mut whole = parts[0].clone();
    parts[1..].iter().for_each(|part| whole.append(part).unwrap());
    whole
}

/// The codes of each part of a batch.
fn parts(codec: &Codec, batch: &[f32], ends: &[usize]) -> Vec<Codes> {
    let dim = codec.model().config().dim;
    let part = |ends: &[usize]| codec.encode_flat(&batch[ends[0] * dim..ends[1] * dim]).unwrap();
    ends.windows(2).map(part).collect()
}

fn a_concatenation_decodes_to_the_concatenated_rows(engine: &CodecOptions) {
    for_all(engine, divided(), |(trial, shares)| {
        let model = trial.model();
        let codec = codec(engine, &model);
        let parts = parts(&codec, &trial.batch(&model), &ends(trial.rows(), &shares));
        let whole = joined(&parts);
        assert_eq!(whole.row_count(), trial.rows());
        let separate = parts.iter().flat_map(|part| codec.decode_flat(part).unwrap());
        let separate: Vec<f32> = separate.collect();
        assert_same_bits(&codec.decode_flat(&whole).unwrap(), &separate, format!("{trial:?}"));
    });
}

fn a_concatenation_encodes_to_the_concatenated_codes(engine: &CodecOptions) {
    for_all(engine, divided(), |(trial, shares)| {
        let model = trial.model();
        let codec = codec(engine, &model);
        let batch = trial.batch(&model);
        let whole = codec.encode_flat(&batch).unwrap();
        let parts = parts(&codec, &batch, &ends(trial.rows(), &shares));
        assert_eq!(joined(&parts), whole, "{trial:?}");
    });
}

fn selected_codes_decode_to_the_selected_rows(engine: &CodecOptions) {
    let cases = (trials(), prop::collection::vec(0.0..1.0f64, 1..30));
    for_all(engine, cases, |(trial, shares)| {
        let model = trial.model();
        let (codec, dim) = (codec(engine, &model), model.config().dim);
        let codes = codec.encode_flat(&trial.batch(&model)).unwrap();
        let chosen: Vec<usize> =
            shares.iter().map(|share| (share * trial.rows() as f64) as usize).collect();
        let all = codec.decode_flat(&codes).unwrap();
        let expected: Vec<f32> =
            chosen.iter().flat_map(|row| &all[row * dim..(row + 1) * dim]).copied().collect();
        let found = codec.decode_flat(&codes.select(&chosen).unwrap()).unwrap();
        assert_same_bits(&found, &expected, format!("{trial:?}, rows {chosen:?}"));
    });
}

fn codes_put_together_again_are_the_codes(engine: &CodecOptions) {
    for_all(engine, divided(), |(trial, shares)| {
        let (model, rows) = (trial.model(), trial.rows());
        let codes = codec(engine, &model).encode_flat(&trial.batch(&model)).unwrap();
        let ends = ends(rows, &shares);
        let slices: Vec<Codes> =
            ends.windows(2).map(|ends| codes.slice(ends[0]..ends[1]).unwrap()).collect();
        assert_eq!(joined(&slices), codes, "{trial:?}: slices");
        let numbers: Vec<usize> = (0..rows).collect();
        for (ends, slice) in ends.windows(2).zip(&slices) {
            let selected = codes.select(&numbers[ends[0]..ends[1]]).unwrap();
            assert_eq!(selected, *slice, "{trial:?}: rows {ends:?}");
        }
        let reversed: Vec<usize> = numbers.iter().rev().copied().collect();
        let twice = codes.select(&reversed).unwrap().select(&reversed).unwrap();
        assert_eq!(twice, codes, "{trial:?}: reversed twice");
        // The order of joining does not matter.
        let (mut left, mut right) = (joined(&slices), slices[slices.len() - 1].clone());
        left.append(&joined(&[codes.clone(), right.clone()])).unwrap();
        let mut grouped = joined(&slices);
        grouped.append(&codes).unwrap();
        grouped.append(&right).unwrap();
        assert_eq!(left, grouped, "{trial:?}: joined in another order");
        right.append(&codes).unwrap();
        assert_eq!(right.slice(right.row_count() - rows..right.row_count()).unwrap(), codes);
        let (packed, scales) = codes.clone().into_parts();
        assert_eq!(Codes::from_parts(&model, packed, scales).unwrap(), codes, "{trial:?}: parts");
    });
}

fn files_bring_back_what_was_saved(engine: &CodecOptions) {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for_all(engine, divided(), |(trial, shares)| {
        let model = trial.model();
        model.save(&one).unwrap();
        let loaded = Model::load(&one).unwrap();
        assert_eq!(loaded.fingerprint(), model.fingerprint(), "{trial:?}");
        assert_eq!(loaded.config(), model.config(), "{trial:?}");
        assert_eq!(loaded.weights(), model.weights(), "{trial:?}");
        loaded.save(&two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap(), "{trial:?}");

        // The loaded model encodes as the model did, and a file in blocks is a file at once.
        let batch = trial.batch(&model);
        let codes = codec(engine, &model).encode_flat(&batch).unwrap();
        assert_eq!(codec(engine, &loaded).encode_flat(&batch).unwrap(), codes, "{trial:?}");
        codes.save(&one).unwrap();
        assert_eq!(Codes::load(&one).unwrap(), codes, "{trial:?}");
        let ends = ends(trial.rows(), &shares);
        let mut writer = CodesWriter::create(&two, &loaded).unwrap();
        for ends in ends.windows(2) {
            writer.append(&codes.slice(ends[0]..ends[1]).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap(), "{trial:?}");
        let mut reader = CodesReader::open(&two).unwrap();
        for ends in ends.windows(2) {
            let expected = codes.slice(ends[0]..ends[1]).unwrap();
            assert_eq!(reader.read(ends[0]..ends[1]).unwrap(), expected, "{trial:?}");
        }
    });
}

fn engines_agree_with_the_definition(engine: &CodecOptions) {
    all_agree(|report| {
        let report = std::cell::RefCell::new(report);
        for_all(engine, trials(), |trial| {
            let model = trial.model();
            let (codec, batch) = (codec(engine, &model), trial.batch(&model));
            let codes = codec.encode_flat(&batch).unwrap();
            let Trial::Int8(case) = trial else {
                return assert_equally_good(&model, &batch, &codes, &format!("{trial:?}"));
            };
            let mut report = report.borrow_mut();
            report.codes(case, &oracle::encode(&model, &batch), &codes);
            let decoded = codec.decode_flat(&codes).unwrap();
            report.rows(case, &oracle::decode(&model, &codes), &decoded, case.dim, ATOL);
        });
    });
}

/// The CPU engine on one thread, on two and on five: who computes a row changes nothing in it.
#[test]
fn results_do_not_depend_on_the_threads() {
    let engine = crate::engines::cpu();
    let pools = [1, 2, 5]
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    for_all(&engine, trials(), |trial| {
        let model = trial.model();
        let batch = trial.batch(&model);
        let codec = codec(&engine, &model);
        let codes = codec.encode_flat(&batch).unwrap();
        let run = || {
            let found = codec.encode_flat(&batch).unwrap();
            let latents = codec.encode_latent(&batch).unwrap();
            let decoded = codec.decode_latent(&latents).unwrap();
            (found, codec.decode_flat(&codes).unwrap(), latents, decoded)
        };
        let (one, rows, latents, decoded) = pools[0].install(run);
        for pool in &pools[1..] {
            let what = format!("{trial:?} on {} threads", pool.current_num_threads());
            let found = pool.install(run);
            assert_eq!(found.0, one, "{what}");
            assert_same_bits(&found.1, &rows, &what);
            assert_same_bits(&found.2, &latents, &what);
            assert_same_bits(&found.3, &decoded, &what);
        }
    });
}

/// A fit on one thread, on two and on five gives the same model.
#[test]
fn fits_do_not_depend_on_the_threads() {
    let engine = crate::engines::cpu();
    let pools = [1, 2, 5]
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    for_all(&engine, bits(), |trial| {
        let models: Vec<Model> = pools.iter().map(|pool| pool.install(|| trial.model())).collect();
        for model in &models[1..] {
            assert_eq!(model.fingerprint(), models[0].fingerprint(), "{trial:?}");
        }
    });
}
