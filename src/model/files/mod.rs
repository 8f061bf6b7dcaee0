//! Models on disk.

mod facts;
mod layers;
mod mixture;
mod record;

use std::path::Path;

pub(crate) use record::ConfigRecord;

use super::Model;
use super::options::BitFormat;
use crate::error::{Error, Result};
use crate::tensors::Reader;

impl Model {
    /// Writes a safetensors file: the weights, the configuration as metadata, and with bit codes the
    /// bit plans and tables. `docs/format.md` lists the tensors. The file appears whole or not at all;
    /// the same model gives the same bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let record = ConfigRecord::of_model(self.config(), self.fingerprint());
        match self.mixture() {
            None => layers::save(self, path.as_ref(), &record),
            Some(mixture) => mixture::save(self, mixture, path.as_ref(), &record),
        }
    }

    /// Reads what [`Model::save`] wrote, in this version and all before it.
    ///
    /// # Errors
    /// The file cannot be read, is no model file, or its tensors do not fit its configuration.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = Reader::open(path.as_ref())?;
        let (config, fingerprint) = ConfigRecord::read_model(&reader)?;
        let model = match config.format() {
            Some(BitFormat::V3) => mixture::load(config, &mut reader)?,
            Some(BitFormat::V2) | None => layers::load(config, &mut reader)?,
        };
        if model.fingerprint() != fingerprint {
            let detail = "its weights do not match its fingerprint: the file was altered";
            return Err(Error::format(reader.path(), detail));
        }
        Ok(model)
    }
}
