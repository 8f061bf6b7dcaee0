//! How a model is hashed, and how its fingerprint is read from text.

use std::str::FromStr;

use super::config::ModelConfig;
use super::weights::Weights;
use crate::bit_codes::{BitPlan, MAX_WIDTH};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

/// Hashes a model. Stored models depend on every byte that is hashed, so none ever changes.
pub(super) fn fingerprint_of(
    config: &ModelConfig,
    weights: &Weights,
    plan: Option<&BitPlan>,
) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
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
        hasher.update(plan.bits_per_latent());
        hasher.update(bytemuck::cast_slice(plan.steps()));
        (1..=MAX_WIDTH as u8).for_each(|width| {
            hasher.update(bytemuck::cast_slice(plan.table(width)));
        });
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
