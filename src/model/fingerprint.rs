//! How a model is hashed, and how its fingerprint is read from text.

use std::str::FromStr;

use blake3::Hasher;

use super::config::ModelConfig;
use super::facts::{FITTED, FitFacts};
use super::parts;
use super::weights::Weights;
use crate::bit_codes::{BitPlan, MAX_SCALAR_WIDTH, Rate};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::mixture::Mixture;

/// Hashes a model of linear layers. Stored models depend on every byte that is hashed, so none ever
/// changes.
pub(super) fn of_layers(
    config: &ModelConfig,
    weights: &Weights,
    plan: Option<&BitPlan>,
    facts: Option<&FitFacts>,
) -> Fingerprint {
    let mut hasher = Hasher::new();
    for size in [config.dim, config.latent_dim] {
        hasher.update(&(size as u64).to_le_bytes());
    }
    hasher.update(&[config.activation().wire_id(), u8::from(config.normalized_latent())]);
    for (name, values) in weights.tensors() {
        hasher.update(name.as_bytes());
        hasher.update(bytemuck::cast_slice(values));
    }
    if let Some(plan) = plan {
        let state_bits = plan.window().state_bits() as u8;
        hasher.update(b"bits");
        hasher.update(&[state_bits, config.row_norm().unwrap_or_default().wire_id()]);
        hasher.update(&plan.symbol_bits());
        hasher.update(bytemuck::cast_slice(plan.steps()));
        (1..=MAX_SCALAR_WIDTH as u8).for_each(|bits| {
            hasher.update(bytemuck::cast_slice(plan.tables().table(Rate::whole(bits))));
        });
    }
    finished(hasher, facts)
}

/// Hashes a model of regions: the sizes, then each tensor of its file, name and bytes. None of it ever
/// changes.
pub(super) fn of_mixture(
    config: &ModelConfig,
    mixture: &Mixture,
    facts: Option<&FitFacts>,
) -> Fingerprint {
    let mut hasher = Hasher::new();
    hasher.update(b"regions");
    for size in [config.dim, config.packed_size(), mixture.regions().len()] {
        hasher.update(&(size as u64).to_le_bytes());
    }
    let state_bits = config.window().state_bits() as u8;
    hasher.update(&[state_bits, config.row_norm().unwrap_or_default().wire_id()]);
    for part in parts::of_mixture(config, mixture) {
        hasher.update(part.name.as_bytes());
        hasher.update(part.data.as_bytes());
    }
    finished(hasher, facts)
}

/// Hashes what the fit saw, in a model that keeps it. Takes the first bytes of the hash.
fn finished(mut hasher: Hasher, facts: Option<&FitFacts>) -> Fingerprint {
    if let Some(facts) = facts {
        hasher.update(FITTED.as_bytes());
        hasher.update(bytemuck::cast_slice(&facts.to_array()));
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Fingerprint::from_bytes(bytes)
}

impl FromStr for Fingerprint {
    type Err = Error;

    /// Reads what `Display` writes: 32 hexadecimal digits, of either case.
    fn from_str(text: &str) -> Result<Self> {
        Self::from_hex(text).ok_or_else(|| Error::InvalidFingerprint { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_other_text_is_named() {
        for bytes in [[0; 16], [0xff; 16], *b"0123456789abcdef"] {
            let fingerprint = Fingerprint::from_bytes(bytes);
            assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
            let upper = fingerprint.to_string().to_uppercase();
            assert_eq!(upper.parse::<Fingerprint>().unwrap(), fingerprint);
        }
        let digits = "0".repeat(31);
        for text in ["", "model", &digits, &format!("+{digits}"), &format!("{digits}é")] {
            let error = text.parse::<Fingerprint>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
