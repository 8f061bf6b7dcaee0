//! Files that were cut off or in which one bit has changed.

use super::fixtures::Fixture;
use super::{AT_LEAST, Tally};

#[test]
fn every_prefix_is_refused() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        for (is_model, file) in [(true, &fixture.model_file), (false, &fixture.codes_file)] {
            for len in 0..file.len() {
                let what = format!("{}: {len} of {} bytes", fixture.name, file.len());
                let valid = match is_model {
                    true => tally.model(&what, &file[..len]).is_some(),
                    false => tally.codes(&what, &file[..len], &fixture).is_some(),
                };
                assert!(!valid, "{what}");
            }
            for more in [1, 4, 8] {
                let longer = [&file[..], &vec![0; more]].concat();
                let what = format!("{}: {more} bytes more", fixture.name);
                assert!(tally.model(&what, &longer).is_none(), "{what}");
                assert!(tally.codes(&what, &longer, &fixture).is_none(), "{what}");
            }
        }
    }
    tally.finish("prefixes", AT_LEAST[0]);
}

/// A model's fingerprint covers all of it: an altered file is refused, or is the same model.
#[test]
fn every_flipped_bit_of_a_model_is_noticed() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        let mut file = fixture.model_file.clone();
        for bit in 0..file.len() * 8 {
            file[bit / 8] ^= 1 << (bit % 8);
            let what = format!("{}: bit {} of byte {}", fixture.name, bit % 8, bit / 8);
            if let Some(model) = tally.model(&what, &file) {
                assert_eq!(model.weights(), fixture.model.weights(), "{what}");
                assert_eq!(model.config(), fixture.model.config(), "{what}");
                assert_eq!(model.fingerprint(), fixture.model.fingerprint(), "{what}");
            }
            file[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(file, fixture.model_file);
    }
    tally.finish("flipped bits of models", AT_LEAST[0]);
}

/// Checksums cover the rows, and the header says whose they are: an altered file is refused, or has the
/// same rows.
#[test]
fn every_flipped_bit_of_codes_is_noticed() {
    let mut tally = Tally::new();
    for fixture in Fixture::all() {
        let mut file = fixture.codes_file.clone();
        for bit in 0..file.len() * 8 {
            file[bit / 8] ^= 1 << (bit % 8);
            let what = format!("{}: bit {} of byte {}", fixture.name, bit % 8, bit / 8);
            if let Some(codes) = tally.codes(&what, &file, &fixture) {
                assert_eq!(codes.as_bytes(), fixture.codes.as_bytes(), "{what}");
                assert_eq!(codes.scales(), fixture.codes.scales(), "{what}");
            }
            file[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(tally.loaded > 0, "{}: every altered bit was refused", fixture.name);
    }
    tally.finish("flipped bits of codes", AT_LEAST[0]);
}
