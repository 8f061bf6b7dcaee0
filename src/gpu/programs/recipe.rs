//! What one verb does to a chunk, as plain values.

use super::super::device::Caps;
use super::super::kernels::{Binding, Kernel, Resident};
use crate::error::{Error, OTHER_ADAPTER, Result};
use crate::plan::{Grid, RowLayout, Section};

/// The dispatches of a verb over a chunk, in order, and the sections they work on.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// The verb, as a label.
    pub(crate) verb: &'static str,
    pub(crate) layout: RowLayout,
    pub(crate) kernels: Vec<Kernel>,
}

impl Recipe {
    /// Fails if a kernel names a section or a resident that is not there, or if the adapter's limits
    /// cannot hold one row.
    pub(crate) fn check(&self, residents: &[(Resident, Vec<u8>)], caps: &Caps) -> Result<()> {
        for kernel in &self.kernels {
            for binding in &kernel.bindings {
                match binding {
                    Binding::Resident(wanted) if !residents.iter().any(|(r, _)| r == wanted) => {
                        return Err(missing_resident(self.verb, *wanted));
                    }
                    Binding::Section(wanted) if self.row_bytes(*wanted).is_none() => {
                        return Err(missing_section(self.verb, *wanted));
                    }
                    _ => {}
                }
            }
            kernel.check(caps)?;
        }
        for (_, bytes) in residents {
            let (required, available) = (bytes.len() as u64, caps.limits.binding_bytes);
            if required > available {
                let what = "bytes of one binding for weights";
                return Err(Error::Limit { what, required, available, remedy: OTHER_ADAPTER });
            }
        }
        self.chunk_rows(caps, 1).map(drop)
    }

    /// Bytes per row of a section; none if it is not there.
    pub(crate) fn row_bytes(&self, section: Section) -> Option<u64> {
        self.layout.sections().find(|(found, _)| *found == section).map(|(_, bytes)| *bytes)
    }

    /// The largest number of rows of a chunk of `bytes` bytes.
    pub(crate) fn chunk_rows(&self, caps: &Caps, bytes: u64) -> Result<usize> {
        let grids: Vec<Grid> = self.kernels.iter().map(|kernel| kernel.grid).collect();
        self.layout.chunk_rows(&caps.limits, &grids, bytes)
    }
}

pub(super) fn missing_resident(verb: &'static str, resident: Resident) -> Error {
    Error::Internal { detail: format!("{verb} names {resident:?}, which is not resident") }
}

fn missing_section(verb: &'static str, section: Section) -> Error {
    Error::Internal { detail: format!("{verb} names {section:?}, which is no section of it") }
}

/// The recipes of a model, and the data that they share on the device.
pub(crate) struct Recipes {
    /// Rows to codes: `Rows` to `Scales` and `Codes`.
    pub(crate) encode: Recipe,
    /// The same from rows of f16.
    pub(crate) encode_f16: Recipe,
    /// Rows to latents, not normalised: `Rows` to `Latents [rows, latent_dim]` without padding.
    pub(crate) encode_latent: Recipe,
    /// Codes to rows: `Scales` and `Codes` to `Rows [rows, dim]` without padding.
    pub(crate) decode: Recipe,
    /// Codes to rows of f16, padded to four values.
    pub(crate) decode_f16: Recipe,
    /// Latents to rows: `Latents` to `Rows [rows, dim]` without padding.
    pub(crate) decode_latent: Recipe,
    /// Rows of f32 as a caller's buffer holds them: `TightRows` to `Rows`.
    pub(crate) pad: Recipe,
    pub(crate) residents: Vec<(Resident, Vec<u8>)>,
}

impl Recipes {
    /// All of them.
    pub(crate) fn all(&self) -> [&Recipe; 7] {
        let Self { encode, encode_f16, encode_latent, decode, decode_f16, decode_latent, .. } =
            self;
        [encode, encode_f16, encode_latent, decode, decode_f16, decode_latent, &self.pad]
    }
}
