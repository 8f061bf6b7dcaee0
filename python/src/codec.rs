//! The class `Codec`.

use half::f16;
use numpy::{Element as NumpyElement, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use vecodec::{CodecOptions, Element, Engine, EngineKind, Error, Gpu};

use crate::arrays::{Rows, float32_rows};
use crate::arrow;
use crate::codes::Codes;
use crate::error::{OrRaise, exception, message};
use crate::model::Model;
use crate::process::detached;
use crate::results::result;

/// Rows of a block on each engine. A thread of a CPU encodes some 100,000 rows a second, and slower ones of many
/// dimensions some 10,000.
const CPU_BLOCK_ROWS: usize = 1 << 13;
const GPU_BLOCK_ROWS: usize = 1 << 18;

/// A model on an engine.
#[pyclass(frozen, module = "vecodec")]
pub(crate) struct Codec {
    pub(crate) inner: vecodec::Codec,
    /// What the caller asked for.
    wanted: String,
    model: Py<Model>,
    /// Rows between two looks for Ctrl-C.
    block_rows: usize,
}

impl Codec {
    pub(crate) fn dim(&self) -> usize {
        self.inner.model().config().dim
    }

    pub(crate) fn encode_rows<T: Element>(
        &self,
        py: Python<'_>,
        values: &[T],
    ) -> PyResult<vecodec::Codes> {
        let block_rows = self.block_rows;
        let encode = |values: &[T], first: usize| {
            let encode = || self.inner.encode_flat(values);
            detached(py, encode)?.map_err(|error| error.with_row_offset(first)).or_raise()
        };
        let (first, rest) = values.split_at(values.len().min(block_rows * self.dim()));
        let mut codes = encode(first, 0)?;
        for (number, values) in (1..).zip(rest.chunks(block_rows * self.dim())) {
            py.check_signals()?;
            codes.append(&encode(values, number * block_rows)?).or_raise()?;
        }
        Ok(codes)
    }

    pub(crate) fn decode_rows<T: Element>(
        &self,
        py: Python<'_>,
        codes: &vecodec::Codes,
        out: &mut [T],
    ) -> PyResult<()> {
        let block_rows = self.block_rows;
        // A slice would copy the codes.
        if codes.row_count() <= block_rows {
            return detached(py, || self.inner.decode_into(codes, out))?.or_raise();
        }
        for (number, out) in out.chunks_mut(block_rows * self.dim()).enumerate() {
            py.check_signals()?;
            let first = number * block_rows;
            let decode = || {
                let rows = first..first + out.len() / self.dim();
                self.inner.decode_into(&codes.slice(rows)?, out)
            };
            detached(py, decode)?.or_raise()?;
        }
        Ok(())
    }

    fn decode_new<'py, T: Element + NumpyElement>(
        &self,
        py: Python<'py>,
        codes: &vecodec::Codes,
    ) -> PyResult<Bound<'py, PyAny>> {
        // NumPy's own function: where memory is short it raises, and rust-numpy would panic.
        let shape = (codes.row_count(), self.dim());
        let array = py.import("numpy")?.call_method1("empty", (shape, T::get_dtype(py)))?;
        self.decode_to(py, codes, array.cast::<PyArray2<T>>()?)?;
        Ok(array)
    }

    fn decode_to<T: Element + NumpyElement>(
        &self,
        py: Python<'_>,
        codes: &vecodec::Codes,
        out: &Bound<'_, PyArray2<T>>,
    ) -> PyResult<()> {
        let (found, expected) = (out.shape(), [codes.row_count(), self.dim()]);
        if found != expected {
            let message = format!("out has shape {found:?}: pass {expected:?}");
            return Err(PyValueError::new_err(message));
        }
        // A Fortran-ordered array has a slice, too.
        if !out.is_c_contiguous() {
            return Err(PyValueError::new_err("out is not C-contiguous: pass an array that is"));
        }
        let borrowed = out.try_readwrite();
        let mut out = borrowed.map_err(|error| PyValueError::new_err(format!("out: {error}")))?;
        self.decode_rows(py, codes, out.as_slice_mut()?)
    }
}

#[pymethods]
impl Codec {
    #[new]
    #[pyo3(signature = (model, engine = "auto"))]
    fn new(py: Python<'_>, model: Py<Model>, engine: &str) -> PyResult<Self> {
        let inner = model.get().inner.clone();
        let chosen = detached(py, || parse_engine(engine))??;
        let options = CodecOptions::default().with_engine(chosen);
        let inner = detached(py, || vecodec::Codec::with_options(inner, options))?.or_raise()?;
        let block_rows = match inner.engine().kind {
            EngineKind::Cpu => CPU_BLOCK_ROWS,
            _ => GPU_BLOCK_ROWS,
        };
        Ok(Self { inner, wanted: engine.to_owned(), model, block_rows })
    }

    #[getter]
    fn model(&self, py: Python<'_>) -> Py<Model> {
        self.model.clone_ref(py)
    }

    /// Which engine does the work, as text.
    #[getter]
    fn engine(&self) -> String {
        let info = self.inner.engine();
        match info.kind {
            EngineKind::Cpu => format!("cpu: {info}"),
            _ => format!("gpu: {info}"),
        }
    }

    /// Encodes rows [rows, dim] of float32 or float16.
    fn encode(&self, py: Python<'_>, x: &Bound<'_, PyAny>) -> PyResult<Codes> {
        let codes = match &Rows::new(x, "x", self.dim())? {
            Rows::F32(rows) => self.encode_rows(py, rows.as_slice()?)?,
            Rows::F16(rows) => self.encode_rows(py, rows.as_slice()?)?,
        };
        Ok(codes.into())
    }

    /// Decodes rows to float32 or float16, into `out` if it is given.
    #[pyo3(signature = (codes, dtype = None, out = None))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        codes: &Codes,
        dtype: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let codes = &codes.inner;
        let Some(out) = out else {
            let dtype = match dtype {
                None => "float32".to_owned(),
                Some(dtype) => {
                    py.import("numpy")?.call_method1("dtype", (dtype,))?.str()?.to_string()
                }
            };
            return match dtype.as_str() {
                "float32" => self.decode_new::<f32>(py, codes),
                "float16" => self.decode_new::<f16>(py, codes),
                _ => {
                    Err(PyTypeError::new_err(format!("dtype is {dtype}: pass float32 or float16")))
                }
            };
        };
        if dtype.is_some() {
            return Err(PyTypeError::new_err(
                "pass dtype or out, not both: out has a dtype of its own",
            ));
        }
        if let Ok(out) = out.cast::<PyArray2<f32>>() {
            self.decode_to(py, codes, out)?;
        } else if let Ok(out) = out.cast::<PyArray2<f16>>() {
            self.decode_to(py, codes, out)?;
        } else {
            let message = "out is no array [rows, dim] of float32 or float16: pass one";
            return Err(PyTypeError::new_err(message));
        }
        Ok(out.clone())
    }

    /// A batch or table of Arrow whose lists of floats in `column` are encoded, one fixed-size binary for each row.
    #[pyo3(signature = (batch, column = "embedding"))]
    fn encode_batch<'py>(
        &self,
        py: Python<'py>,
        batch: &Bound<'py, PyAny>,
        column: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        arrow::convert(py, batch, column, |field, rows| arrow::encode(py, self, field, rows))
    }

    /// A batch or table of Arrow whose codes in `column` are decoded, to lists of float32.
    #[pyo3(signature = (batch, column = "embedding"))]
    fn decode_batch<'py>(
        &self,
        py: Python<'py>,
        batch: &Bound<'py, PyAny>,
        column: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        arrow::convert(py, batch, column, |field, codes| arrow::decode(py, self, field, codes))
    }

    /// Encodes and decodes rows, and measures what is lost.
    fn evaluate<'py>(&self, py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let rows = float32_rows(x, "x", Some(self.dim()))?;
        let values = rows.as_slice()?;
        let evaluate = || {
            let rows: Vec<&[f32]> = values.chunks_exact(self.dim()).collect();
            self.inner.evaluate(&rows)
        };
        let (_, metrics) = detached(py, evaluate)?.or_raise()?;
        let fields = PyDict::new(py);
        fields.set_item("rows", rows.shape()[0])?;
        fields.set_item("bytes_per_row", self.inner.model().config().code_size())?;
        fields.set_item("mse", metrics.mse)?;
        fields.set_item("relative_mse", metrics.relative_mse)?;
        fields.set_item("mean_cosine", metrics.mean_cosine)?;
        fields.set_item("snr_db", metrics.snr_db)?;
        fields.set_item("max_error", metrics.max_error)?;
        fields.set_item("encode_rows_per_s", metrics.encode_rows_per_s)?;
        fields.set_item("decode_rows_per_s", metrics.decode_rows_per_s)?;
        result(py, "Evaluation", &fields)
    }

    /// Compares rows with those that the model was fitted to.
    fn check<'py>(&self, py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let rows = float32_rows(x, "x", Some(self.dim()))?;
        let values = rows.as_slice()?;
        let drift = detached(py, || self.inner.check_flat(values))?.or_raise()?;
        let fields = PyDict::new(py);
        fields.set_item("rows", drift.rows)?;
        fields.set_item("relative_mse", drift.relative_mse)?;
        fields.set_item("fitted_relative_mse", drift.fitted_relative_mse)?;
        fields.set_item("clipped_rows", drift.clipped_rows)?;
        fields.set_item("first_clipped_row", drift.first_clipped_row)?;
        result(py, "Drift", &fields)
    }

    /// Moves codes of another codec's model to this codec's.
    fn reencode(&self, py: Python<'_>, old: &Self, codes: &Codes) -> PyResult<Codes> {
        let reencode = || self.inner.reencode(&old.inner, &codes.inner);
        detached(py, reencode)?.or_raise().map(Codes::from)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Codec({}, engine='{}')", self.model.bind(py).repr()?, self.engine()))
    }

    fn __copy__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: PyRef<'py, Self>, _memo: &Bound<'py, PyAny>) -> PyRef<'py, Self> {
        slf
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> (Bound<'py, pyo3::types::PyType>, (Py<Model>, String)) {
        let codec = slf.get();
        (slf.get_type(), (codec.model.clone_ref(slf.py()), codec.wanted.clone()))
    }
}

/// The names of the GPUs, in the order of their numbers in `gpu:N`.
#[pyfunction]
pub(crate) fn list_gpus(py: Python<'_>) -> PyResult<Vec<String>> {
    let adapters = detached(py, Gpu::list)?.or_raise()?;
    Ok(adapters.iter().map(|adapter| adapter.get_info().name).collect())
}

/// An engine by its name.
fn parse_engine(text: &str) -> PyResult<Engine> {
    match text {
        "auto" => return Ok(Engine::Auto),
        "cpu" => return Ok(Engine::Cpu),
        "gpu" => return Ok(Engine::Gpu(Gpu::new().or_raise()?)),
        _ => {}
    }
    let Some(wanted) = text.strip_prefix("gpu:").filter(|wanted| !wanted.is_empty()) else {
        let message = format!(
            "engine is {text:?}: pass \"auto\", \"cpu\", \"gpu\", \"gpu:1\" or \"gpu:0,1\""
        );
        return Err(PyValueError::new_err(message));
    };
    match Engine::find(wanted) {
        Ok(engine) => Ok(engine),
        // The argument is wrong, rather than a GPU.
        Err(error @ Error::NoAdapter { .. }) => Err(PyValueError::new_err(message(&error))),
        Err(error) => Err(exception(error)),
    }
}
