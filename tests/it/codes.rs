//! Codes as data: parts of a batch, batches put together, and what they decode to.

use vecodec::{Codec, Codes, Coding, Error, ErrorKind, Model, ModelConfig, RowNorm, Scales};

use crate::bit_codes::{fitted, rows};
use crate::compare::assert_error;
use crate::data::Random;
use crate::engines::{codec, cpu};

const DIM: usize = 12;
const ROWS: usize = 61;

/// Codecs and batches of every kind of code and scale.
fn batches() -> Vec<(Codec, Codes)> {
    let data = rows(ROWS, DIM, 301);
    let int8 = Model::fit(&data, ModelConfig::int8(DIM, 5)).unwrap();
    let trellis = Coding::Trellis { states: 16 };
    let models = [
        int8.clone(),
        fitted(&data, DIM, 4, trellis, RowNorm::Omit),
        fitted(&data, DIM, 9, Coding::Scalar, RowNorm::Store),
    ];
    let mut batches: Vec<_> = models
        .iter()
        .map(|model| {
            let codec = codec(&cpu(), model);
            let codes = codec.encode_flat(&data).unwrap();
            (codec, codes)
        })
        .collect();
    let (packed, _) = batches[0].1.clone().into_parts();
    batches.push((codec(&cpu(), &int8), Codes::from_parts(&int8, packed, 0.25).unwrap()));
    batches
}

/// Blocks of another size may round another way.
fn assert_near(found: &[f32], expected: &[f32], case: &str) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{case}: {a} for {b}");
    }
}

#[test]
fn a_selection_decodes_to_the_selected_rows() {
    let mut random = Random::new(302);
    for (codec, codes) in batches() {
        let decoded = codec.decode_flat(&codes).unwrap();
        for count in [1, 2, 7, ROWS, 200] {
            let row = |_| (random.uniform() * ROWS as f64) as usize;
            let selected: Vec<usize> = (0..count).map(row).collect();
            let part = codes.select(&selected).unwrap();
            assert_eq!((part.row_count(), part.fingerprint()), (count, codes.fingerprint()));
            let of_row = |row: &usize| &decoded[row * DIM..][..DIM];
            let expected: Vec<f32> = selected.iter().flat_map(of_row).copied().collect();
            assert_near(&codec.decode_flat(&part).unwrap(), &expected, &format!("{codes:?}"));
        }
        assert_eq!(codes.select(&(0..ROWS).collect::<Vec<_>>()).unwrap(), codes);
        for range in [0..1, 3..4, 0..ROWS, 17..ROWS, ROWS - 1..ROWS] {
            let part = codes.slice(range.clone()).unwrap();
            assert_eq!(part, codes.select(&range.collect::<Vec<_>>()).unwrap());
        }
    }
}

#[test]
fn slices_appended_are_the_whole() {
    let mut random = Random::new(303);
    for (codec, codes) in batches() {
        for _ in 0..20 {
            let mut ends: Vec<usize> =
                (0..3).map(|_| 1 + (random.uniform() * (ROWS - 1) as f64) as usize).collect();
            ends.push(ROWS);
            ends.sort_unstable();
            ends.dedup();
            let mut whole = codes.slice(0..ends[0]).unwrap();
            for pair in ends.windows(2) {
                whole.append(&codes.slice(pair[0]..pair[1]).unwrap()).unwrap();
            }
            assert_eq!(whole.as_bytes(), codes.as_bytes(), "{ends:?}");
            assert_same_scales(&whole, &codes);
        }
        // Row by row, which is how a batch of one row comes to be appended to another.
        let mut whole = codes.slice(0..1).unwrap();
        (1..ROWS).for_each(|row| whole.append(&codes.slice(row..row + 1).unwrap()).unwrap());
        assert_same_scales(&whole, &codes);
        if codec.model().config().row_norm() == Some(RowNorm::Omit) {
            assert_eq!(whole, codes, "a model without row scales never has them");
        }
        let twice = {
            let mut twice = codes.clone();
            twice.append(&codes.clone()).unwrap();
            twice
        };
        assert_eq!(codes.row_count(), ROWS, "a clone is not touched");
        let decoded = codec.decode_flat(&codes).unwrap();
        let expected = [&decoded[..], &decoded].concat();
        assert_near(&codec.decode_flat(&twice).unwrap(), &expected, "twice");
    }
}

/// Row by row, whether they are stored once or not.
fn assert_same_scales(left: &Codes, right: &Codes) {
    let scale = |codes: &Codes, row: usize| match codes.scales() {
        [scale] => *scale,
        scales => scales[row],
    };
    assert_eq!(left.row_count(), right.row_count());
    (0..left.row_count()).for_each(|row| assert_eq!(scale(left, row), scale(right, row)));
}

#[test]
fn records_of_rows_are_their_codes_and_scales() {
    for (codec, codes) in batches() {
        let (case, size) = (format!("{codes:?}"), codes.code_size());
        let records = codes.records().unwrap();
        assert_eq!(records.len(), ROWS * size, "{case}");
        let again = Codes::from_records(codec.model(), &records).unwrap();
        assert_eq!(
            codec.decode_flat(&again).unwrap(),
            codec.decode_flat(&codes).unwrap(),
            "{case}"
        );
        assert_eq!(again.records().unwrap(), records, "{case}");
        // A row's record is the row's alone.
        let rows = codes.select(&[7, 3]).unwrap().records().unwrap();
        assert_eq!(rows, [&records[7 * size..8 * size], &records[3 * size..4 * size]].concat());

        let refused = Codes::from_records(codec.model(), &records[1..]);
        let len = (records.len() - 1).to_string();
        assert_error!(refused.unwrap_err(), Error::FlatLength { .. }, &len, "multiple");
        let refused = Codes::from_records(codec.model(), &[]);
        assert_error!(refused.unwrap_err(), Error::EmptyBatch { .. }, "empty");
    }
    let [(int8, codes), (omitted, plain), ..] = &batches()[..] else { unreachable!() };
    let mut records = codes.records().unwrap();
    let end = records.len();
    records[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let refused = Codes::from_records(int8.model(), &records);
    assert_error!(refused.unwrap_err(), Error::InvalidScale { .. }, "row 60", "NaN");
    let (packed, _) = plain.clone().into_parts();
    let scaled = Codes::from_parts(omitted.model(), packed, 2.0).unwrap();
    let refused = scaled.records().unwrap_err();
    assert_error!(refused, Error::CodesShape { .. }, "1 scales other than 1", "no place");
}

#[test]
fn a_uniform_scale_is_expanded_beside_others() {
    let model = Model::random(ModelConfig::int8(3, 2), 1).unwrap();
    let uniform = Codes::from_parts(&model, vec![1, 2, 3, 4], 0.5).unwrap();
    let per_row = Codes::from_parts(&model, vec![5, 6, 7, 8], vec![1.0, 2.0]).unwrap();
    let append = |left: &Codes, right: &Codes| {
        let mut codes = left.clone();
        codes.append(right).unwrap();
        codes.into_parts().1
    };
    assert_eq!(append(&uniform, &uniform), Scales::Uniform(0.5));
    assert_eq!(append(&uniform, &per_row), Scales::PerRow(vec![0.5, 0.5, 1.0, 2.0]));
    assert_eq!(append(&per_row, &uniform), Scales::PerRow(vec![1.0, 2.0, 0.5, 0.5]));
    let other = Codes::from_parts(&model, vec![9; 4], 0.75).unwrap();
    assert_eq!(append(&uniform, &other), Scales::PerRow(vec![0.5, 0.5, 0.75, 0.75]));
    let (packed, scales) = per_row.clone().into_parts();
    assert_eq!(Codes::from_parts(&model, packed, scales).unwrap(), per_row);
}

#[test]
fn rows_that_are_not_there_and_other_models_are_refused() {
    for (_, codes) in batches() {
        let error = codes.select(&[0, ROWS, 1]).unwrap_err();
        assert_error!(error, Error::RowOutOfRange { row: 61, rows: 61, .. }, "61");
        assert_eq!(codes.slice(0..ROWS + 2).unwrap_err().kind(), ErrorKind::Input);
        let error = codes.slice(70..80).unwrap_err();
        assert_error!(error, Error::RowOutOfRange { row: 79, .. }, "79", "61");
        assert_error!(codes.select(&[]).unwrap_err(), Error::EmptyBatch { .. }, "empty");
        assert_error!(codes.slice(5..5).unwrap_err(), Error::EmptyBatch { .. }, "empty");
    }
    let batches = batches();
    let (theirs, mut ours) = (&batches[1].1, batches[0].1.clone());
    let error = ours.append(theirs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Model);
    let Error::OtherModel { expected, found, .. } = error else { panic!("{error:?}") };
    assert_eq!((expected, found), (ours.fingerprint(), theirs.fingerprint()));
    assert_eq!(ours, batches[0].1, "an error changes nothing");
    assert_eq!(expected.to_string().parse::<vecodec::Fingerprint>().unwrap(), expected);
}
