//! The extension module `vecodec._vecodec` of the Python package `vecodec`.
//!
//! Verbs release the interpreter while they work, and look for Ctrl-C between blocks of rows. Arrays come in
//! through `vecodec._arrays`, and go out as arrays that own their memory.

#![allow(missing_docs, reason = "Python's users read the docstrings and the stubs")]

mod arrays;
mod arrow;
mod codec;
mod codes;
mod error;
mod fit;
mod index;
mod model;
mod pickle;
mod process;
mod results;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _vecodec {
    #[pymodule_export]
    use super::codec::{Codec, list_gpus};
    #[pymodule_export]
    use super::codes::{Codes, codes_from_bytes, concatenate, load_codes, load_codes_with_ids};
    #[pymodule_export]
    use super::fit::{fit, from_weights};
    #[pymodule_export]
    use super::index::Index;
    #[pymodule_export]
    use super::model::{Model, load_model, model_from_bytes};
}
