//! Hostile numbers in every number of the record and of the header.

use serde_json::{Value, json};

use super::draft::Draft;
use super::fixtures::Fixture;
use super::{AT_LEAST, Tally};

/// Where conversions, sums and products go wrong.
const HOSTILE: [u64; 15] = [
    0,
    1,
    4096,
    (1 << 24) + 1,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    1 << 53,
    1 << 60,
    (1 << 61) - 1,
    1 << 62,
    1 << 63,
    u64::MAX - 7,
    u64::MAX,
];

/// What is no number that can be a size.
fn no_sizes() -> [Value; 8] {
    let float = |value: f64| json!(value);
    [
        float(1.5),
        float(1e30),
        json!(-1),
        json!("3"),
        Value::Null,
        json!(true),
        json!([3]),
        json!({}),
    ]
}

fn values() -> Vec<Value> {
    HOSTILE.iter().map(|number| json!(number)).chain(no_sizes()).collect()
}

/// Tries a draft as it is, laid out anew, and signed. Nothing is allocated by its numbers.
fn attempt(tally: &mut Tally, what: &str, draft: &Draft, fixture: &Fixture, is_model: bool) {
    let mut laid_out = draft.clone();
    laid_out.lay_out(1 << 16);
    let mut both = laid_out.clone();
    both.sign();
    for draft in [draft, &laid_out, &both] {
        match is_model {
            true => drop(tally.model(what, &draft.write())),
            false => drop(tally.codes(what, &draft.write(), fixture)),
        }
    }
}

fn drafts(fixture: &Fixture) -> [(bool, Draft); 2] {
    [(true, fixture.model_draft()), (false, fixture.codes_draft())]
}

#[test]
fn hostile_numbers_of_the_record() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        for (is_model, draft) in drafts(&fixture) {
            for field in ["version", "dim", "latent_dim", "segment_rows"] {
                for value in values() {
                    let mut draft = draft.clone();
                    draft.record.insert(field.to_owned(), value.clone());
                    let what = format!("{}: {field} is {value}", fixture.name);
                    attempt(&mut tally, &what, &draft, &fixture, is_model);
                }
            }
            for field in
                ["bytes", "states", "row_norm", "regions"].iter().filter(|_| fixture.has_bits())
            {
                for value in values().into_iter().chain([json!(false)]) {
                    let mut draft = draft.clone();
                    draft.record["bits"][*field] = value.clone();
                    let what = format!("{}: {field} is {value}", fixture.name);
                    attempt(&mut tally, &what, &draft, &fixture, is_model);
                }
            }
            // A field that is missing, or of another type.
            let fields: Vec<String> = draft.record.keys().cloned().collect();
            for field in fields {
                let mut without = draft.clone();
                without.record.remove(&field);
                let what = format!("{}: no {field}", fixture.name);
                attempt(&mut tally, &what, &without, &fixture, is_model);
                for value in no_sizes() {
                    let mut draft = draft.clone();
                    draft.record.insert(field.clone(), value.clone());
                    let what = format!("{}: {field} is {value}", fixture.name);
                    attempt(&mut tally, &what, &draft, &fixture, is_model);
                }
            }
        }
    }
    tally.finish("numbers of the record", AT_LEAST[1]);
}

/// A size in the record, and every shape that depends on it: the shapes agree with the record.
#[test]
fn hostile_sizes_that_agree_with_each_other() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        let (dim, latents) = (fixture.model.config().dim, fixture.model.config().latent_dim);
        for (is_model, draft) in drafts(&fixture) {
            for (field, old) in [("dim", dim as u64), ("latent_dim", latents as u64)] {
                for new in HOSTILE {
                    let mut draft = draft.clone();
                    draft.record.insert(field.to_owned(), new.into());
                    for tensor in &mut draft.tensors {
                        let sizes = tensor.shape.iter_mut().filter(|size| **size == old);
                        sizes.for_each(|size| *size = new);
                    }
                    let what = format!("{}: {field} is {new} everywhere", fixture.name);
                    attempt(&mut tally, &what, &draft, &fixture, is_model);
                }
            }
        }
    }
    tally.finish("sizes that agree", AT_LEAST[2]);
}

#[test]
fn hostile_shapes_and_offsets() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        for (is_model, draft) in drafts(&fixture) {
            for at in 0..draft.tensors.len() {
                let name = &draft.tensors[at].name;
                for new in HOSTILE {
                    for axis in 0..draft.tensors[at].shape.len() {
                        let mut draft = draft.clone();
                        draft.tensors[at].shape[axis] = new;
                        let what = format!("{}: axis {axis} of {name} is {new}", fixture.name);
                        attempt(&mut tally, &what, &draft, &fixture, is_model);
                    }
                    for side in 0..2 {
                        let mut draft = draft.clone();
                        draft.tensors[at].offsets[side] = new;
                        let what = format!("{}: offset {side} of {name} is {new}", fixture.name);
                        attempt(&mut tally, &what, &draft, &fixture, is_model);
                    }
                    // Every tensor from this one on lies at the end of the address space.
                    let mut draft = draft.clone();
                    for tensor in &mut draft.tensors[at..] {
                        let moved = tensor.offsets.map(|offset| offset.wrapping_add(new));
                        tensor.offsets = moved;
                    }
                    let what = format!("{}: {name} begins {new} later", fixture.name);
                    attempt(&mut tally, &what, &draft, &fixture, is_model);
                }
            }
        }
    }
    tally.finish("shapes and offsets", AT_LEAST[1]);
}

#[test]
fn hostile_lengths_of_the_header() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        for file in [&fixture.model_file, &fixture.codes_file] {
            for len in HOSTILE.into_iter().chain([2, 7, 8, 99_999_999, 100_000_000, 100_000_001]) {
                let mut file = file.clone();
                file[..8].copy_from_slice(&len.to_le_bytes());
                let what = format!("{}: a header of {len} bytes", fixture.name);
                assert!(tally.model(&what, &file).is_none(), "{what}");
                assert!(tally.codes(&what, &file, &fixture).is_none(), "{what}");
            }
        }
    }
    tally.finish("lengths of the header", AT_LEAST[4]);
}
