//! The extension type of columns of codes.

use arrow_schema::extension::ExtensionType;
use arrow_schema::{ArrowError, DataType, Field};
use serde::{Deserialize, Serialize};
use vecodec::{Coding, Model};

use crate::error::{Error, Result};

/// What a column of codes says of its model: the metadata of [`CodesType`], as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodesMetadata {
    /// The model's fingerprint: 32 hexadecimal digits.
    pub fingerprint: String,
    /// Values of a decoded row.
    pub dim: usize,
    /// What [`coding`] says of the model.
    pub coding: String,
}

/// The extension type `vecodec.codes` of fields of `FixedSizeBinary`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodesType(CodesMetadata);

/// How a model codes latents: `8-bit`, `scalar` or `trellis`.
#[must_use]
pub fn coding(model: &Model) -> &'static str {
    match model.config().coding() {
        None => "8-bit",
        Some(Coding::Trellis { .. }) => "trellis",
        Some(_) => "scalar",
    }
}

impl CodesType {
    /// The type of a model's codes.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        Self(CodesMetadata {
            fingerprint: model.fingerprint().to_string(),
            dim: model.config().dim,
            coding: coding(model).to_owned(),
        })
    }

    /// The fingerprint of the model.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// The storage type of a model's codes.
    #[must_use]
    pub fn storage(model: &Model) -> DataType {
        // A model's rows are far smaller than 2 GiB: a code has at most 4 bytes a value.
        DataType::FixedSizeBinary(i32::try_from(model.config().code_size()).unwrap_or(i32::MAX))
    }

    /// Fails where a field is no column of a model's codes. A field without the extension type passes if its values
    /// have the size of the model's records: the caller then answers for what they decode to.
    ///
    /// # Errors
    /// Another storage type, or codes of another model.
    pub fn check(field: &Field, model: &Model) -> Result<()> {
        let column = field.name().clone();
        if let Ok(Self(found)) = field.try_extension_type::<Self>() {
            let expected = model.fingerprint().to_string();
            if found.fingerprint != expected {
                return Err(Error::OtherModel { column, expected, found: found.fingerprint });
            }
        }
        let storage = Self::storage(model);
        if field.data_type() != &storage {
            let expected = format!("{storage}, which the model's codes are");
            return Err(Error::ColumnType {
                column,
                found: field.data_type().clone().into(),
                expected,
            });
        }
        Ok(())
    }
}

impl ExtensionType for CodesType {
    const NAME: &'static str = "vecodec.codes";

    type Metadata = CodesMetadata;

    fn metadata(&self) -> &CodesMetadata {
        &self.0
    }

    fn serialize_metadata(&self) -> Option<String> {
        serde_json::to_string(&self.0).ok()
    }

    fn deserialize_metadata(metadata: Option<&str>) -> Result<CodesMetadata, ArrowError> {
        let wrong = |detail: String| {
            ArrowError::InvalidArgumentError(format!("the metadata of {}: {detail}", Self::NAME))
        };
        let text = metadata.ok_or_else(|| wrong("there is none".to_owned()))?;
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))
    }

    fn supports_data_type(&self, data_type: &DataType) -> Result<(), ArrowError> {
        match data_type {
            DataType::FixedSizeBinary(_) => Ok(()),
            other => Err(ArrowError::InvalidArgumentError(format!(
                "{} is stored as FixedSizeBinary, not as {other}",
                Self::NAME
            ))),
        }
    }

    fn try_new(data_type: &DataType, metadata: CodesMetadata) -> Result<Self, ArrowError> {
        let found = Self(metadata);
        found.supports_data_type(data_type)?;
        Ok(found)
    }
}
