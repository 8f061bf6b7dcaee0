//! What verbs report, as dataclasses of `vecodec._results`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// An object of a class of `vecodec._results`.
pub(crate) fn result<'py>(
    py: Python<'py>,
    class: &str,
    fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    py.import("vecodec._results")?.getattr(class)?.call((), Some(fields))
}
