//! Files on disk: safetensors, files that appear whole, and files that have a length.

#[cfg(feature = "files")]
mod file;
#[cfg(any(feature = "gpu", feature = "files"))]
mod new_file;
mod regular;

#[cfg(feature = "files")]
pub(crate) use file::{Reader, Spec, Writer};
#[cfg(any(feature = "gpu", feature = "files"))]
pub use new_file::NewFile;
pub(crate) use regular::open_regular;
