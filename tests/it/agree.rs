//! Verbs that must give equal bits: nested and flat, copied and mapped, in repeated calls, and in
//! several threads.

use std::thread;

use vecodec::{Codec, CodecOptions, Codes, MappedRows};

use crate::compare::assert_same_bits;
use crate::data::{Case, nested};
use crate::engines::{codec, engine_suite};

engine_suite!(
    nested_and_flat_encode_alike,
    all_decoders_agree,
    mapped_views_may_all_be_held,
    mapped_views_may_be_left_unread,
    mapped_views_outlive_the_codec,
    repeated_calls_agree,
    threads_agree,
    threads_may_leave_views_unread,
    codecs_of_one_model_agree,
);

const CASES: &[Case] = &[
    Case::new(1, 1, 5).bias(),
    Case::new(13, 7, 63).relu().normalized(),
    Case::new(96, 33, 1).bias().relu(),
    Case::new(130, 129, 700).bias().relu().normalized(),
];

/// Enough rows for several chunks of any size.
const LONG: Case = Case::new(96, 10, 90_000);

/// The rows of all views of `decode_mapped`. Checks the row numbers and lengths of each view.
fn joined(codec: &Codec, codes: &Codes) -> Vec<f32> {
    let mut out = Vec::new();
    for view in codec.decode_mapped(codes).unwrap() {
        append(&mut out, &view.unwrap(), codec.model().config().dim);
    }
    out
}

fn append(out: &mut Vec<f32>, view: &MappedRows, dim: usize) {
    assert_eq!(view.first_row() * dim, out.len());
    assert!(!view.is_empty());
    let rows: Vec<&[f32]> = view.rows().collect();
    assert!(rows.iter().all(|row| row.len() == dim));
    assert_same_bits(&rows.concat(), view, "rows() against the slice");
    out.extend_from_slice(view);
}

fn nested_and_flat_encode_alike(engine: &CodecOptions) {
    for case in CASES {
        let model = case.model();
        let rows = case.rows(&model);
        let codec = codec(engine, &model);
        let flat = codec.encode_flat(&rows).unwrap();
        assert_eq!(codec.encode(&nested(&rows, case.dim)).unwrap(), flat, "{case}");
        let slices: Vec<&[f32]> = rows.chunks(case.dim).collect();
        assert_eq!(codec.encode(&slices).unwrap(), flat, "{case}");
        assert_eq!(flat.row_count(), case.rows);
        assert_eq!(flat.code_size(), case.latent + 4);
        assert_eq!(flat.as_bytes().len(), case.rows * case.latent);
        assert_eq!(flat.scales().len(), case.rows);
        assert_eq!(flat.fingerprint(), model.fingerprint());
    }
}

fn all_decoders_agree(engine: &CodecOptions) {
    for case in CASES.iter().chain([&LONG]) {
        let codec = codec(engine, &case.model());
        let codes = codec.encode_flat(&case.rows(codec.model())).unwrap();
        let flat = codec.decode_flat(&codes).unwrap();
        assert_eq!(flat.len(), case.rows * case.dim);

        let rows = codec.decode(&codes).unwrap();
        assert!(rows.len() == case.rows && rows.iter().all(|row| row.len() == case.dim), "{case}");
        assert_same_bits(&rows.concat(), &flat, format!("nested, {case}"));

        let mut out = vec![f32::NAN; flat.len()];
        codec.decode_into(&codes, &mut out).unwrap();
        assert_same_bits(&out, &flat, format!("into, {case}"));

        assert_same_bits(&joined(&codec, &codes), &flat, format!("mapped, {case}"));
    }
}

fn mapped_views_may_all_be_held(engine: &CodecOptions) {
    let codec = codec(engine, &LONG.model());
    let codes = codec.encode_flat(&LONG.rows(codec.model())).unwrap();
    let flat = codec.decode_flat(&codes).unwrap();

    let held: Vec<MappedRows> = codec.decode_mapped(&codes).unwrap().map(Result::unwrap).collect();
    // The codec works while all views are held, and hands out a second set of views.
    assert_same_bits(&codec.decode_flat(&codes).unwrap(), &flat, "decoded while views are held");
    assert_same_bits(&joined(&codec, &codes), &flat, "mapped while views are held");
    let again = codec.encode(&codec.decode(&codes).unwrap()).unwrap();
    assert_eq!(again.row_count(), codes.row_count());

    let mut out = Vec::new();
    held.iter().for_each(|view| append(&mut out, view, LONG.dim));
    assert_same_bits(&out, &flat, "the held views");
    held.into_iter().rev().for_each(drop);
    assert_same_bits(&joined(&codec, &codes), &flat, "after the views were dropped");
}

fn mapped_views_may_be_left_unread(engine: &CodecOptions) {
    let codec = codec(engine, &LONG.model());
    let codes = codec.encode_flat(&LONG.rows(codec.model())).unwrap();
    let flat = codec.decode_flat(&codes).unwrap();
    for taken in [0, 1, 1, 0, 2] {
        let views: Vec<_> = codec.decode_mapped(&codes).unwrap().take(taken).collect();
        drop(views);
        assert_same_bits(&joined(&codec, &codes), &flat, format!("after {taken} views"));
    }
}

fn mapped_views_outlive_the_codec(engine: &CodecOptions) {
    let case = CASES[3];
    let codec = codec(engine, &case.model());
    let codes = codec.encode_flat(&case.rows(codec.model())).unwrap();
    let flat = codec.decode_flat(&codes).unwrap();
    let views: Vec<MappedRows> = codec.decode_mapped(&codes).unwrap().map(Result::unwrap).collect();
    drop((codec, codes));
    let mut out = Vec::new();
    views.iter().for_each(|view| append(&mut out, view, case.dim));
    assert_same_bits(&out, &flat, "views after the codec was dropped");
}

/// Encodes batches of other sizes in between, so that a stale buffer would show.
fn repeated_calls_agree(engine: &CodecOptions) {
    let case = CASES[3];
    let codec = codec(engine, &case.model());
    let rows = case.rows(codec.model());
    let codes = codec.encode_flat(&rows).unwrap();
    let (flat, latents) = (codec.decode_flat(&codes).unwrap(), codec.encode_latent(&rows).unwrap());
    for other in [1, 699, 3, 700, 64] {
        let part = codec.encode_flat(&rows[..other * case.dim]).unwrap();
        assert_eq!(part.row_count(), other);
        assert_eq!(codec.decode(&part).unwrap().len(), other);
        assert_eq!(codec.encode_flat(&rows).unwrap(), codes, "after {other} rows");
        assert_same_bits(&codec.decode_flat(&codes).unwrap(), &flat, "decode_flat");
        assert_same_bits(&codec.encode_latent(&rows).unwrap(), &latents, "encode_latent");
    }
}

fn threads_agree(engine: &CodecOptions) {
    let case = CASES[3];
    let codec = codec(engine, &case.model());
    let rows = case.rows(codec.model());
    let codes = codec.encode_flat(&rows).unwrap();
    let flat = codec.decode_flat(&codes).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (codec, rows, codes, flat) = (codec.clone(), &rows, &codes, &flat);
            scope.spawn(move || {
                for round in 0..4 {
                    let what = format!("thread {thread}, round {round}");
                    assert_eq!(codec.encode_flat(rows).unwrap(), *codes, "{what}");
                    assert_same_bits(&codec.decode_flat(codes).unwrap(), flat, &what);
                    assert_same_bits(&joined(&codec, codes), flat, &what);
                }
            });
        }
    });
}

/// A thread may drop its views while the GPU still writes them. The next call then needs that
/// memory.
fn threads_may_leave_views_unread(engine: &CodecOptions) {
    let case = Case::new(512, 3, 8000);
    let codec = codec(engine, &case.model());
    let mut rows = case.rows(codec.model());
    let codes = codec.encode_flat(&rows).unwrap();
    let flat = codec.decode_flat(&codes).unwrap();
    rows[7999 * case.dim] = f32::NAN;
    thread::scope(|scope| {
        for thread in 0..4 {
            let (codec, rows, codes, flat) = (codec.clone(), &rows, &codes, &flat);
            scope.spawn(move || {
                for round in 0..12 {
                    let what = format!("thread {thread}, round {round}");
                    let view = codec.decode_mapped(codes).unwrap().next().unwrap().unwrap();
                    assert_same_bits(&view, &flat[..view.len()], &what);
                    drop(view);
                    assert!(codec.encode_flat(rows).is_err(), "{what}");
                    if round % 3 == thread % 3 {
                        assert_same_bits(&codec.decode_flat(codes).unwrap(), flat, &what);
                    }
                }
            });
        }
    });
    assert_eq!(codec.stats().bytes_in_use, 0);
}

/// Any codec of a model decodes the codes of another codec of that model.
fn codecs_of_one_model_agree(engine: &CodecOptions) {
    let case = CASES[1];
    let model = case.model();
    let rows = case.rows(&model);
    let (one, other) = (codec(engine, &model), codec(engine, &model));
    let codes = one.encode_flat(&rows).unwrap();
    assert_eq!(other.encode_flat(&rows).unwrap(), codes);
    let (left, right) = (one.decode_flat(&codes).unwrap(), other.decode_flat(&codes).unwrap());
    assert_same_bits(&left, &right, "two codecs");
    assert_eq!(one.clone().model().fingerprint(), model.fingerprint());
}
