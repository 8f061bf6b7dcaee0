//! The class `Model`.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::error::OrRaise;
use crate::pickle::{Reduced, reduced, restored};
use crate::process::detached;

/// An encoder and a decoder: plain data, without an engine.
#[pyclass(frozen, module = "vecodec")]
pub(crate) struct Model {
    pub(crate) inner: vecodec::Model,
    /// How the fit went, where this process fitted it.
    report: Option<Py<PyAny>>,
}

impl Model {
    pub(crate) fn new(inner: vecodec::Model, report: Option<Py<PyAny>>) -> Self {
        Self { inner, report }
    }
}

#[pymethods]
impl Model {
    /// Values of a row.
    #[getter]
    fn dim(&self) -> usize {
        self.inner.config().dim
    }

    /// Latents of a row, at most.
    #[getter]
    fn latent_dim(&self) -> usize {
        self.inner.config().latent_dim
    }

    /// Bytes of an encoded row.
    #[getter]
    fn bytes_per_row(&self) -> usize {
        self.inner.config().code_size()
    }

    /// "8-bit", "scalar" or "trellis".
    #[getter]
    fn coding(&self) -> &'static str {
        vecodec_arrow::coding(&self.inner)
    }

    #[getter]
    fn regions(&self) -> usize {
        self.inner.region_count()
    }

    /// Bytes of a row of float32 over bytes of an encoded one.
    #[getter]
    fn compression_ratio(&self) -> f32 {
        self.inner.config().compression_ratio()
    }

    /// What codes name their model by.
    #[getter]
    fn fingerprint(&self) -> String {
        self.inner.fingerprint().to_string()
    }

    /// How the fit went, or None if the model was loaded.
    #[getter]
    fn fit_report(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.report.as_ref().map(|report| report.clone_ref(py))
    }

    /// Writes a safetensors file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        detached(py, || self.inner.save(path))?.or_raise()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner.fingerprint() == other.inner.fingerprint()
    }

    fn __hash__(&self) -> u64 {
        let text = self.inner.fingerprint().to_string();
        u64::from_str_radix(text.get(..16).unwrap_or_default(), 16).unwrap_or(0)
    }

    fn __repr__(&self) -> String {
        format!(
            "Model(dim={}, bytes_per_row={}, coding='{}', regions={}, fingerprint='{}')",
            self.dim(),
            self.bytes_per_row(),
            self.coding(),
            self.regions(),
            self.fingerprint()
        )
    }

    fn __copy__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: PyRef<'py, Self>, _memo: &Bound<'py, PyAny>) -> PyRef<'py, Self> {
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        reduced(py, "model_from_bytes", |path| self.inner.save(path))
    }
}

/// Loads a model from a safetensors file.
#[pyfunction]
pub(crate) fn load_model(py: Python<'_>, path: PathBuf) -> PyResult<Model> {
    let inner = detached(py, || vecodec::Model::load(path))?.or_raise()?;
    Ok(Model::new(inner, None))
}

/// The model of a file with these bytes.
#[pyfunction]
pub(crate) fn model_from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Model> {
    restored(data, |path| load_model(py, path))
}
