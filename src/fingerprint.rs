//! What identifies a model, in files, codes and errors.

use std::fmt;

/// Identifies a model: the first 16 bytes of the BLAKE3 hash of its configuration and weights.
///
/// Its text is 32 hexadecimal digits, and [`str::parse`] reads them back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads 32 hexadecimal digits, and nothing else.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        // `from_str_radix` would take a sign.
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let value = digits.then(|| u128::from_str_radix(text, 16).ok())??;
        Some(Self(value.to_be_bytes()))
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As its text.
#[cfg(feature = "serde")]
mod serialized {
    use serde::de::{Error as _, Unexpected};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Fingerprint;

    impl Serialize for Fingerprint {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Fingerprint {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let expected = &"32 hexadecimal digits";
            Self::from_hex(&text)
                .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), expected))
        }
    }
}
