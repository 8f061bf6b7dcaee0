//! How the calls of a function find their model.

use datafusion::arrow::datatypes::Field;
use datafusion::common::Result;
use vecodec::Codec;

use super::Models;

/// The model of a call, as it is said to other processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    /// The model's fingerprint: 32 hexadecimal digits.
    pub(crate) fingerprint: String,
    /// An absolute path or a URL of the model's file, where there is one.
    pub(crate) location: Option<String>,
}

/// The models of a function, or the one model of its calls.
///
/// A plan that travels to another process loses the fingerprints in the fields of its columns. Before it does, each call
/// is given a function with a link to its model (see [`LinkModels`](crate::LinkModels)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lookup {
    pub(crate) models: Models,
    pub(crate) link: Option<Link>,
}

impl Lookup {
    pub(crate) fn any(models: &Models) -> Self {
        Self { models: models.clone(), link: None }
    }

    pub(crate) fn linked(models: &Models, link: Link) -> Self {
        Self { models: models.clone(), link: Some(link) }
    }

    /// The codec of the model with a name.
    pub(crate) fn named(&self, name: &str) -> Result<Codec> {
        match &self.link {
            Some(link) => self.models.linked(link),
            None => self.models.named(name),
        }
    }

    /// The codec of a column of codes.
    pub(crate) fn of_codes(&self, field: &Field) -> Result<Codec> {
        match &self.link {
            Some(link) => self.models.linked(link),
            None => self.models.of_codes(field),
        }
    }

    /// A link to the model with a name.
    pub(crate) fn link_named(&self, name: &str) -> Result<Link> {
        match &self.link {
            Some(link) => Ok(link.clone()),
            None => self.models.entry_named(name).map(|entry| entry.link),
        }
    }

    /// A link to the model of a column of codes.
    pub(crate) fn link_of_codes(&self, field: &Field) -> Result<Link> {
        match &self.link {
            Some(link) => Ok(link.clone()),
            None => self.models.entry_of_codes(field).map(|entry| entry.link),
        }
    }
}
