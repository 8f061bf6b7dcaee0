//! Tensors that are missing, duplicated, misaligned, overlapping, of another type or shape, and
//! values that no model and no codes can have.

use super::draft::{Draft, with_header};
use super::fixtures::Fixture;
use super::{AT_LEAST, Tally};

const DTYPES: [&str; 19] = [
    "BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "I16", "U16",
    "F16", "BF16", "I32", "U32", "F32", "C64", "F64", "nonsense",
];

/// Tries a draft as it is, and signed. A signed file that is not the fixture's must have been accepted
/// for a reason: it is used by `Tally::model` and `Tally::codes`.
fn attempt(tally: &mut Tally, what: &str, draft: &Draft, fixture: &Fixture) {
    let mut signed = draft.clone();
    signed.sign();
    for draft in [draft, &signed] {
        match draft.record["kind"] == "model" {
            true => drop(tally.model(what, &draft.write())),
            false => drop(tally.codes(what, &draft.write(), fixture)),
        }
    }
}

/// A way to spoil one tensor of a file, by the tensor's position.
type Spoil = fn(&mut Draft, usize);

const SPOILS: &[(&str, Spoil)] = &[
    ("is missing", |draft, at| drop(draft.tensors.remove(at))),
    ("is missing with its bytes", |draft, at| {
        draft.tensors.remove(at);
        draft.lay_out(1 << 16);
    }),
    ("is there twice", |draft, at| draft.tensors.push(draft.tensors[at].clone())),
    ("is there twice, one without values", |draft, at| {
        let mut copy = draft.tensors[at].clone();
        copy.shape[0] = 0;
        copy.offsets = [copy.offsets[1]; 2];
        draft.tensors.push(copy);
    }),
    ("is there twice, with bytes of its own", |draft, at| {
        draft.tensors.push(draft.tensors[at].clone());
        draft.lay_out(1 << 16);
    }),
    ("begins a byte later", |draft, at| {
        draft.tensors[at..]
            .iter_mut()
            .for_each(|tensor| tensor.offsets = tensor.offsets.map(|o| o + 1));
        draft.data.push(0);
    }),
    ("begins a byte early", |draft, at| {
        draft.tensors[at].offsets[0] = draft.tensors[at].offsets[0].wrapping_sub(1)
    }),
    ("ends a byte later", |draft, at| {
        draft.tensors[at].offsets[1] += 1;
        draft.data.push(0);
    }),
    ("ends a byte early", |draft, at| draft.tensors[at].offsets[1] -= 1),
    ("ends before it begins", |draft, at| draft.tensors[at].offsets.reverse()),
    ("overlaps the first", |draft, at| {
        let len = draft.tensors[at].offsets[1] - draft.tensors[at].offsets[0];
        draft.tensors[at].offsets = [0, len];
    }),
    ("leaves a gap of four bytes", |draft, at| {
        draft.tensors[at..]
            .iter_mut()
            .for_each(|tensor| tensor.offsets = tensor.offsets.map(|o| o + 4));
        draft.data.extend([0; 4]);
    }),
    ("changes places with the last", |draft, at| {
        let last = draft.tensors.len() - 1;
        let offsets = draft.tensors[at].offsets;
        draft.tensors[at].offsets = draft.tensors[last].offsets;
        draft.tensors[last].offsets = offsets;
    }),
    ("has another name", |draft, at| draft.tensors[at].name.push('x')),
    ("has no name", |draft, at| draft.tensors[at].name.clear()),
    ("has a name with a zero", |draft, at| draft.tensors[at].name.insert(0, '\0')),
    ("has the name of the first", |draft, at| {
        draft.tensors[at].name = draft.tensors[0].name.clone();
    }),
    ("has no shape", |draft, at| draft.tensors[at].shape.clear()),
    ("is flat", |draft, at| {
        let len = draft.tensors[at].shape.iter().product();
        draft.tensors[at].shape = vec![len];
    }),
    ("is transposed", |draft, at| draft.tensors[at].shape.reverse()),
    ("has one more axis", |draft, at| draft.tensors[at].shape.push(1)),
    ("has an axis in front", |draft, at| draft.tensors[at].shape.insert(0, 1)),
    ("has an axis of zero", |draft, at| draft.tensors[at].shape.push(0)),
    ("has a thousand axes", |draft, at| draft.tensors[at].shape.extend([1; 1000])),
];

#[test]
fn spoiled_tensors() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        for draft in [fixture.model_draft(), fixture.codes_draft()] {
            for at in 0..draft.tensors.len() {
                let name = &draft.tensors[at].name;
                for (spoil, change) in SPOILS {
                    let mut draft = draft.clone();
                    change(&mut draft, at);
                    let what = format!("{}: {name} {spoil}", fixture.name);
                    attempt(&mut tally, &what, &draft, &fixture);
                }
                for dtype in DTYPES.iter().filter(|dtype| **dtype != draft.tensors[at].dtype) {
                    let mut draft = draft.clone();
                    draft.tensors[at].dtype = (*dtype).to_owned();
                    let what = format!("{}: {name} is {dtype}", fixture.name);
                    attempt(&mut tally, &what, &draft, &fixture);
                    draft.lay_out(1 << 16);
                    let what = format!("{}: {name} is {dtype}, with as many bytes", fixture.name);
                    attempt(&mut tally, &what, &draft, &fixture);
                }
            }
        }
    }
    tally.finish("spoiled tensors", AT_LEAST[1]);
}

/// Headers that are not what safetensors writes, over data that is.
#[test]
fn headers_of_other_json() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        for draft in [fixture.model_draft(), fixture.codes_draft()] {
            let whole = draft.header();
            let headers = [
                String::new(),
                " ".to_owned(),
                "null".to_owned(),
                "[]".to_owned(),
                "{}".to_owned(),
                "{\"__metadata__\":{}}".to_owned(),
                "{\"__metadata__\":null}".to_owned(),
                "{\"__metadata__\":{\"vecodec\":\"\"}}".to_owned(),
                "{\"__metadata__\":{\"vecodec\":\"null\"}}".to_owned(),
                "{\"__metadata__\":{\"vecodec\":\"{}\"}}".to_owned(),
                "{\"__metadata__\":{\"vecodec\":7}}".to_owned(),
                whole.replace("\"vecodec\"", "\"vecodek\""),
                whole.replace("__metadata__", "__meta__"),
                whole.replace("data_offsets", "offsets"),
                whole.replace("\"shape\"", "\"form\""),
                whole.replace("\"dtype\"", "\"type\""),
                whole.replacen('{', "[", 1),
                format!("{whole}{whole}"),
                format!("{whole}x"),
                whole[..whole.len() - 1].to_owned(),
                "[".repeat(50_000),
                "{\"a\":".repeat(50_000),
                format!("{{\"__metadata__\":{{\"vecodec\":\"{}\"}}}}", "[".repeat(50_000)),
            ];
            for header in headers {
                let file = with_header(header.as_bytes(), &draft.data);
                let what = format!("{}: {:.60}", fixture.name, header);
                assert!(tally.model(&what, &file).is_none(), "{what}");
                assert!(tally.codes(&what, &file, &fixture).is_none(), "{what}");
            }
            // Bytes that are not UTF-8, and a zero, at every eighth position of the header.
            for at in (0..whole.len()).step_by(8) {
                for byte in [0xff, 0xc0, 0] {
                    let mut header = whole.clone().into_bytes();
                    header[at] = byte;
                    let file = with_header(&header, &draft.data);
                    let what = format!("{}: {byte} at {at}", fixture.name);
                    assert!(tally.model(&what, &file).is_none(), "{what}");
                    assert!(tally.codes(&what, &file, &fixture).is_none(), "{what}");
                }
            }
        }
    }
    tally.finish("headers of other JSON", AT_LEAST[2]);
}

/// Strings of the record that would break an error's line.
#[test]
fn strings_of_the_record() {
    let mut tally = Tally::new();
    let long = "x".repeat(10_000);
    let strings =
        ["", "\n", "two\nlines", "\0", "\u{1b}[2J", "é", "ReLU", " relu", "model", "codes", &long];
    for fixture in Fixture::all() {
        for draft in [fixture.model_draft(), fixture.codes_draft()] {
            let fields: Vec<String> = draft.record.keys().cloned().collect();
            for field in fields {
                for string in strings {
                    let mut draft = draft.clone();
                    if draft.record[&field] == string {
                        continue;
                    }
                    draft.record.insert(field.clone(), string.into());
                    let what = format!("{}: {field} is {string:.20?}", fixture.name);
                    assert!(tally.model(&what, &draft.write()).is_none(), "{what}");
                    assert!(tally.codes(&what, &draft.write(), &fixture).is_none(), "{what}");
                }
            }
        }
    }
    tally.finish("strings of the record", AT_LEAST[2]);
}

/// NaN, infinities and values that no plan has, in every tensor, with the fingerprint put right.
#[test]
fn values_that_no_model_and_no_codes_have() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        for (is_model, draft) in [(true, fixture.model_draft()), (false, fixture.codes_draft())] {
            for tensor in draft.tensors.iter().filter(|tensor| tensor.dtype == "F32") {
                let values = (tensor.offsets[0]..tensor.offsets[1]).step_by(4);
                for at in values.map(|at| at as usize) {
                    let nan = f32::from_bits(0xffc0_0001);
                    for value in [f32::NAN, nan, f32::INFINITY, f32::NEG_INFINITY] {
                        let mut draft = draft.clone();
                        draft.data[at..at + 4].copy_from_slice(&value.to_le_bytes());
                        draft.sign();
                        let what = format!("{}: {} holds {value}", fixture.name, tensor.name);
                        let valid = match is_model {
                            true => tally.model(&what, &draft.write()).is_some(),
                            false => tally.codes(&what, &draft.write(), &fixture).is_some(),
                        };
                        assert!(!valid, "{what} at byte {at}");
                    }
                }
            }
            // The scale of all rows, or of the first row.
            let scale_at = match (is_model, fixture.has_own_scales()) {
                (true, _) => None,
                (false, true) => draft.clone().tensor("codes").map(|codes| codes.shape[1] - 4),
                (false, false) => draft.clone().tensor("scale").map(|scale| scale.offsets[0]),
            };
            let nan = f32::from_bits(0xffc0_0001);
            for value in [-1.0, -f32::MIN_POSITIVE, f32::MIN, -1e-45, nan, f32::INFINITY] {
                let Some(at) = scale_at.map(|at| at as usize) else { continue };
                let mut draft = draft.clone();
                draft.data[at..at + 4].copy_from_slice(&value.to_le_bytes());
                draft.sign();
                let what = format!("{}: a scale of {value}", fixture.name);
                assert!(tally.codes(&what, &draft.write(), &fixture).is_none(), "{what}");
            }
            // What no fit saw: norms that do not ascend, and numbers that are none.
            if let Some(fitted) = draft.clone().tensor("fitted").cloned() {
                for (number, value) in
                    [(0, -1.0), (1, f64::NAN), (2, 1e30), (3, -0.5), (3, 0.0), (4, f64::INFINITY)]
                {
                    let mut draft = draft.clone();
                    let at = fitted.offsets[0] as usize + 8 * number;
                    draft.data[at..at + 8].copy_from_slice(&value.to_le_bytes());
                    draft.sign();
                    let what = format!("{}: number {number} of the fit is {value}", fixture.name);
                    assert!(tally.model(&what, &draft.write()).is_none(), "{what}");
                }
            }
            // Bits that no latent can have.
            let Some(tensor) = draft.clone().tensor("bits").cloned() else { continue };
            for at in tensor.offsets[0] as usize..tensor.offsets[1] as usize {
                for bits in [0, 9, 16, 32, 64, 127, 128, 255] {
                    let mut draft = draft.clone();
                    draft.data[at] = bits;
                    draft.sign();
                    let what = format!("{}: a latent of {bits} bits", fixture.name);
                    assert!(tally.model(&what, &draft.write()).is_none(), "{what}");
                }
            }
        }
    }
    tally.finish("values", AT_LEAST[2]);
}
