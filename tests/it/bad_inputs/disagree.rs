//! Codes files that name a model by its fingerprint and disagree with it. Whoever believes the name
//! decodes bytes that mean something else.

use vecodec::{Codes, CodesReader, CodesWriter, f16};

use super::fixtures::Fixture;
use super::{AT_LEAST, Tally};

/// Everything that takes codes of the fixture's model, with codes that only say so.
fn assert_refused(tally: &mut Tally, what: &str, codes: &Codes, fixture: &Fixture) {
    let Fixture { codec, model, .. } = fixture;
    let values = codes.row_count() * model.config().dim;
    tally.refused(&format!("{what}: decode_flat"), codec.decode_flat(codes));
    tally.refused(&format!("{what}: decode"), codec.decode(codes));
    tally.refused(&format!("{what}: decode_flat_f16"), codec.decode_flat_f16(codes));
    let mut out = vec![7.0f32; values];
    tally.refused(&format!("{what}: decode_into"), codec.decode_into(codes, &mut out));
    assert!(out.iter().all(|value| *value == 7.0), "{what}: a refused slice was written to");
    let mut out = vec![f16::ZERO; values];
    tally.refused(&format!("{what}: decode_into f16"), codec.decode_into(codes, &mut out));
    tally.refused(&format!("{what}: decode_mapped"), codec.decode_mapped(codes).map(drop));
    let task = pollster::block_on(codec.decode_flat_async(codes));
    tally.refused(&format!("{what}: decode_flat_async"), task);
    let mut joined = fixture.codes.clone();
    tally.refused(&format!("{what}: append"), joined.append(codes));
    assert!(joined == fixture.codes, "{what}: a refused append changed the codes");
    let mut other = codes.clone();
    tally.refused(&format!("{what}: append to these"), other.append(&fixture.codes));
    let path = tally.folder.path().join("written");
    let mut writer = CodesWriter::create(&path, model).unwrap();
    tally.refused(&format!("{what}: CodesWriter::append"), writer.append(codes));
}

/// Loads the codes of one fixture with the fingerprint of another. If their configurations differ,
/// either the file is refused or every use of it with that model is.
#[test]
fn codes_of_another_configuration_are_refused() {
    let mut tally = Tally::new();
    let all = Fixture::all();
    for fixture in &all {
        for other in &all {
            if other.model.config() == fixture.model.config() {
                continue;
            }
            let mut draft = other.codes_draft();
            draft.record.insert("model".to_owned(), fixture.model.fingerprint().to_string().into());
            let what = format!("codes of {} as those of {}", other.name, fixture.name);
            let path = tally.folder.path().join("codes");
            let file = draft.write();
            tally.count(&file);
            std::fs::write(&path, file).unwrap();
            let loaded = Codes::load(&path);
            assert_eq!(loaded.is_ok(), CodesReader::open(&path).is_ok(), "{what}");
            if let Some(codes) = tally.outcome(&what, loaded) {
                assert_refused(&mut tally, &what, &codes, fixture);
                fixture.assert_works();
            }
        }
    }
    tally.finish("codes of another configuration", AT_LEAST[3]);
}

/// Alters one size or option of the record, with tensors that fit the altered record.
#[test]
fn altered_records_with_tensors_that_fit_are_refused() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        let draft = fixture.codes_draft();
        let scale_bytes = if fixture.has_own_scales() { 4 } else { 0 };
        let mut altered = Vec::new();
        for dim in [1u64, 2, 4, 1000, 1 << 24] {
            let mut draft = draft.clone();
            draft.record.insert("dim".to_owned(), dim.into());
            altered.push((format!("dim {dim}"), draft));
        }
        for latents in [1u64, 3, 40] {
            let mut draft = draft.clone();
            draft.record.insert("latent_dim".to_owned(), latents.into());
            if !fixture.has_bits() {
                draft.tensor("codes").unwrap().shape[1] = latents + scale_bytes;
            }
            draft.lay_out(1 << 16);
            draft.sign();
            altered.push((format!("latent_dim {latents}"), draft));
        }
        for bytes in [1u64, 2, 3, 7, 200].into_iter().filter(|_| fixture.has_bits()) {
            let mut draft = draft.clone();
            let norm = if draft.record["bits"]["row_norm"] == true { 4 } else { 0 };
            draft.record["bits"]["bytes"] = (bytes + norm).into();
            draft.tensor("codes").unwrap().shape[1] = bytes + scale_bytes;
            draft.lay_out(1 << 16);
            draft.sign();
            altered.push((format!("{bytes} bytes per row"), draft));
        }
        for states in [2u64, 8, 4096].into_iter().filter(|_| fixture.has_bits()) {
            let mut draft = draft.clone();
            draft.record["bits"]["states"] = states.into();
            altered.push((format!("{states} states"), draft));
        }
        if !fixture.has_bits() {
            for activation in ["identity", "relu"] {
                for normalized in [false, true] {
                    let mut draft = draft.clone();
                    draft.record.insert("activation".to_owned(), activation.into());
                    draft.record.insert("normalized_latent".to_owned(), normalized.into());
                    altered.push((format!("{activation}, normalised {normalized}"), draft));
                }
            }
        }
        for (change, draft) in altered {
            let what = format!("codes of {} with {change}", fixture.name);
            let path = tally.folder.path().join("codes");
            let file = draft.write();
            tally.count(&file);
            std::fs::write(&path, file).unwrap();
            if let Some(codes) = tally.outcome(&what, Codes::load(&path))
                && codes.config() != fixture.model.config()
            {
                assert_refused(&mut tally, &what, &codes, &fixture);
                fixture.assert_works();
            }
        }
    }
    tally.finish("altered records", AT_LEAST[3]);
}

/// Models of one configuration: their codes have the same shape, and are still another model's.
#[test]
fn codes_of_another_model_of_the_same_shape_are_refused() {
    let mut tally = Tally::new();
    let all = Fixture::all();
    for fixture in &all {
        for other in &all {
            if other.model.fingerprint() == fixture.model.fingerprint() {
                continue;
            }
            let what = format!("codes of {} for {}", other.name, fixture.name);
            assert_refused(&mut tally, &what, &other.codes, fixture);
        }
    }
    tally.finish("codes of another model", AT_LEAST[4]);
}
