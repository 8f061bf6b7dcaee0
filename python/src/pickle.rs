//! Models and codes as bytes: those of their files, the one form that they have outside memory.

use std::fs;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::OrRaise;

/// What `__reduce__` returns: a function, and its arguments.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyBytes>,));

/// Pickles what `save` writes, for `function` of the extension module to read.
pub(crate) fn reduced<'py>(
    py: Python<'py>,
    function: &str,
    save: impl FnOnce(PathBuf) -> vecodec::Result<()>,
) -> PyResult<Reduced<'py>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("data.safetensors");
    save(path.clone()).or_raise()?;
    let function = py.import("vecodec._vecodec")?.getattr(function)?;
    Ok((function, (PyBytes::new(py, &fs::read(path)?),)))
}

/// Has `load` read a file of these bytes.
pub(crate) fn restored<T>(data: &[u8], load: impl FnOnce(PathBuf) -> PyResult<T>) -> PyResult<T> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("data.safetensors");
    fs::write(&path, data)?;
    load(path)
}
