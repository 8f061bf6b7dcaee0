//! Files on disk: safetensors, and files that appear whole.

#[cfg(feature = "files")]
mod file;
mod new_file;

#[cfg(feature = "files")]
pub(crate) use file::{Reader, Spec, Writer};
#[cfg(feature = "gpu")]
pub(crate) use new_file::NewFile;
