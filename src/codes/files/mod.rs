//! Codes on disk, whole or block by block.

mod layout;
mod mapped;
mod reader;
mod writer;

use std::path::Path;

pub(crate) use mapped::MappedCodes;
pub use reader::CodesReader;
pub use writer::CodesWriter;

use super::Codes;
use crate::error::Result;

impl Codes {
    /// Writes a safetensors file: `codes` as U8 `[rows, code_size]`, each row with its scale or norm in
    /// its last four bytes if it stores one, a checksum of every 1,024 rows, and the configuration and
    /// the model's fingerprint as metadata. The file appears whole or not at all.
    ///
    /// NumPy reads the latents of 8-bit codes whose rows have scales of their own. `docs/format.md` decodes
    /// all codes.
    ///
    /// ```python
    /// from safetensors.numpy import load_file
    /// codes = load_file("codes.safetensors")["codes"]
    /// latents = codes[:, :-4].view("i1") * codes[:, -4:].copy().view("<f4")    # [rows, latent_dim]
    /// ```
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = CodesWriter::of_batch(path.as_ref(), self)?;
        writer.append(self)?;
        writer.finish()
    }

    /// Writes the file of [`save`](Self::save) with an id for each row: any 64-bit numbers.
    ///
    /// # Errors
    /// There is another number of ids than of rows, or the file cannot be written.
    pub fn save_with_ids(&self, path: impl AsRef<Path>, ids: &[u64]) -> Result<()> {
        let mut writer = CodesWriter::of_batch(path.as_ref(), self)?;
        writer.append_with_ids(self, ids)?;
        writer.finish()
    }

    /// Reads what [`Codes::save`] or a [`CodesWriter`] wrote. Ids are left out:
    /// [`CodesReader::read_with_ids`] gives them.
    ///
    /// # Errors
    /// The file cannot be read, is no codes file, was cut off or altered, or holds no rows.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let mut reader = CodesReader::open(path)?;
        let rows = reader.row_count();
        reader.read(0..rows)
    }
}
