//! The class `Codes`.

use std::path::PathBuf;

use numpy::PyArray1;
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PySlice;
use vecodec::CodesReader;

use crate::arrays::{helper, u64s, view};
use crate::error::OrRaise;
use crate::pickle::{Reduced, reduced, restored};
use crate::process::detached;

/// Encoded rows.
#[pyclass(frozen, module = "vecodec")]
pub(crate) struct Codes {
    pub(crate) inner: vecodec::Codes,
}

impl From<vecodec::Codes> for Codes {
    fn from(inner: vecodec::Codes) -> Self {
        Self { inner }
    }
}

#[pymethods]
impl Codes {
    /// Packed codes, uint8 [rows, bytes]: a view that cannot be written.
    #[getter]
    fn codes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let inner = &slf.get().inner;
        view(inner.as_bytes(), packed_size(inner), slf.as_any())
    }

    /// Scales, or norms of bit codes: float32 [rows], or [1] where all rows share one. A view that cannot be written.
    #[getter]
    fn scales<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(slf.get().inner.scales(), 1, slf.as_any())?.call_method1("reshape", (-1,))
    }

    /// Bytes of a row, its scale included.
    #[getter]
    fn bytes_per_row(&self) -> usize {
        self.inner.code_size()
    }

    /// Bytes of all rows.
    #[getter]
    fn nbytes(&self) -> usize {
        self.inner.code_size() * self.inner.row_count()
    }

    /// The fingerprint of the model that encoded the rows.
    #[getter]
    fn fingerprint(&self) -> String {
        self.inner.fingerprint().to_string()
    }

    /// Writes a safetensors file, with an id for each row if there are any.
    #[pyo3(signature = (path, ids = None))]
    fn save(&self, py: Python<'_>, path: PathBuf, ids: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        match ids.map(|found| self::ids(py, found, "ids")).transpose()? {
            Some(ids) => detached(py, || self.inner.save_with_ids(path, &ids))?,
            None => detached(py, || self.inner.save(path))?,
        }
        .or_raise()
    }

    fn __len__(&self) -> usize {
        self.inner.row_count()
    }

    /// Some of the rows: a slice, a number, or numbers or bools in a list or array.
    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (py, count) = (key.py(), self.inner.row_count());
        if let Ok(slice) = key.cast::<PySlice>() {
            let slice = slice.indices(count as isize)?;
            let rows =
                (0..slice.slicelength as isize).map(|at| (slice.start + at * slice.step) as usize);
            return match slice.step {
                1 => {
                    let first = slice.start as usize;
                    self.inner.slice(first..first + slice.slicelength)
                }
                _ => self.inner.select(&rows.collect::<Vec<usize>>()),
            }
            .or_raise()
            .map(Self::from);
        }
        if let Ok(row) = key.extract::<isize>() {
            let found = if row < 0 { row + count as isize } else { row };
            return match usize::try_from(found).ok().filter(|row| *row < count) {
                Some(row) => self.inner.slice(row..row + 1).or_raise().map(Self::from),
                None => Err(PyIndexError::new_err(format!("row {row} of {count} rows"))),
            };
        }
        let rows = helper(py, "row_numbers", (key, count))?;
        let rows = u64s(&rows)?;
        let rows: Vec<usize> = rows.as_array().iter().map(|row| *row as usize).collect();
        self.inner.select(&rows).or_raise().map(Self::from)
    }

    fn __eq__(&self, other: &Self) -> bool {
        let (a, b) = (&self.inner, &other.inner);
        a.fingerprint() == b.fingerprint()
            && a.as_bytes() == b.as_bytes()
            && a.scales() == b.scales()
    }

    fn __repr__(&self) -> String {
        let (rows, bytes) = (self.inner.row_count(), self.inner.code_size());
        format!("Codes(rows={rows}, bytes_per_row={bytes}, model='{}')", self.inner.fingerprint())
    }

    fn __copy__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: PyRef<'py, Self>, _memo: &Bound<'py, PyAny>) -> PyRef<'py, Self> {
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        reduced(py, "codes_from_bytes", |path| self.inner.save(path))
    }
}

/// Bytes of a row without its scale. Codes have at least one row.
pub(crate) fn packed_size(codes: &vecodec::Codes) -> usize {
    codes.as_bytes().len() / codes.row_count()
}

/// Loads codes from a safetensors file.
#[pyfunction]
pub(crate) fn load_codes(py: Python<'_>, path: PathBuf) -> PyResult<Codes> {
    detached(py, || vecodec::Codes::load(path))?.or_raise().map(Codes::from)
}

/// Loads codes and the ids of their rows from a safetensors file; None in the place of ids where there are none.
#[pyfunction]
pub(crate) fn load_codes_with_ids<'py>(
    py: Python<'py>,
    path: PathBuf,
) -> PyResult<(Codes, Option<Bound<'py, PyArray1<u64>>>)> {
    let load = || {
        let mut reader = CodesReader::open(path)?;
        let (codes, ids) = reader.read_with_ids(0..reader.row_count())?;
        Ok((codes, reader.has_ids().then_some(ids)))
    };
    let (codes, ids) = detached(py, load)?.or_raise()?;
    Ok((codes.into(), ids.map(|ids| PyArray1::from_vec(py, ids))))
}

/// The ids of a caller's array.
pub(crate) fn ids(py: Python<'_>, x: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<u64>> {
    Ok(u64s(&helper(py, "ids", (x, name))?)?.as_slice()?.to_vec())
}

/// The codes of a file with these bytes.
#[pyfunction]
pub(crate) fn codes_from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Codes> {
    restored(data, |path| load_codes(py, path))
}

/// The rows of several codes of one model, in order.
#[pyfunction]
pub(crate) fn concatenate(codes: &Bound<'_, PyAny>) -> PyResult<Codes> {
    let mut all: Option<vecodec::Codes> = None;
    for codes in codes.try_iter()? {
        let codes = codes?;
        let codes = codes.cast::<Codes>().map_err(|_| {
            PyTypeError::new_err(format!("pass Codes, not an object of type {}", codes.get_type()))
        })?;
        match &mut all {
            None => all = Some(codes.get().inner.clone()),
            Some(all) => all.append(&codes.get().inner).or_raise()?,
        }
    }
    all.map(Codes::from).ok_or_else(|| PyValueError::new_err("no codes: pass at least one"))
}
