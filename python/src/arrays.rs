//! Arrays that come in and go out.

use half::f16;
use numpy::{Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use numpy::{PyUntypedArrayMethods, ndarray::ArrayView2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Calls a function of `vecodec._arrays`.
pub(crate) fn helper<'py>(
    py: Python<'py>,
    name: &str,
    args: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    py.import("vecodec._arrays")?.getattr(name)?.call1(args)
}

/// Rows `[rows, values]` of the caller's. They are read where they lie.
pub(crate) enum Rows<'py> {
    F32(PyReadonlyArray2<'py, f32>),
    F16(PyReadonlyArray2<'py, f16>),
}

impl<'py> Rows<'py> {
    /// Rows of `dim` values. `name` is what errors call them.
    pub(crate) fn new(x: &Bound<'py, PyAny>, name: &str, dim: usize) -> PyResult<Self> {
        let array = helper(x.py(), "rows", (x, name))?;
        let rows = match array.cast::<PyArray2<f32>>() {
            Ok(rows) => Self::F32(rows.try_readonly()?),
            Err(_) => Self::F16(array.cast::<PyArray2<f16>>()?.try_readonly()?),
        };
        let shape = match &rows {
            Self::F32(rows) => rows.shape(),
            Self::F16(rows) => rows.shape(),
        };
        check_dim(shape, dim, name)?;
        Ok(rows)
    }
}

fn check_dim(shape: &[usize], dim: usize, name: &str) -> PyResult<()> {
    if shape[1] == dim {
        return Ok(());
    }
    let [rows, found] = [shape[0], shape[1]];
    let message = format!(
        "{name} has shape ({rows}, {found}), and the model takes rows of {dim} values: pass ({rows}, {dim})"
    );
    Err(PyValueError::new_err(message))
}

/// Rows as float32, of `dim` values if that is given.
pub(crate) fn float32_rows<'py>(
    x: &Bound<'py, PyAny>,
    name: &str,
    dim: Option<usize>,
) -> PyResult<PyReadonlyArray2<'py, f32>> {
    let array = helper(x.py(), "float32_rows", (x, name))?;
    let rows = array.cast::<PyArray2<f32>>()?.try_readonly()?;
    if let Some(dim) = dim {
        check_dim(rows.shape(), dim, name)?;
    }
    Ok(rows)
}

/// What a function of `vecodec._arrays` returns: an array of uint64.
pub(crate) fn u64s<'py>(array: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, u64>> {
    Ok(array.cast::<PyArray1<u64>>()?.try_readonly()?)
}

/// A view `[rows, columns]` of memory that `owner` owns and nobody changes.
pub(crate) fn view<'py, T: Element>(
    values: &[T],
    columns: usize,
    owner: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let rows = values.len() / columns;
    let shaped = ArrayView2::from_shape((rows, columns), values)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    // SAFETY: `borrow_from_array` needs memory that lives as long as `owner`. `values` are those of the `Codes` in
    // `owner`, a frozen class, which never replaces them. A test drops the codes and reads the view.
    #[allow(unsafe_code, reason = "a view of another object's memory")]
    let array = unsafe { PyArray2::borrow_from_array(&shaped, owner.clone()) };
    array.call_method1("setflags", (false,))?;
    Ok(array.into_any())
}
