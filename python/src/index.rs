//! The class `Index`.

use std::path::PathBuf;

use numpy::{PyArray1, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use vecodec::{Filter, Metric, SearchMode, SearchOptions};

use crate::arrays::{float32_rows, helper, u64s};
use crate::codec::Codec;
use crate::codes::{Codes, ids as ids_of};
use crate::error::OrRaise;
use crate::process::detached;

/// Queries between two looks for Ctrl-C.
const BLOCK_QUERIES: usize = 1024;

/// Codes that are searched where they are.
#[pyclass(frozen, module = "vecodec")]
pub(crate) struct Index {
    inner: vecodec::Index,
    codec: Py<Codec>,
}

/// Which rows a search may find.
enum Rows {
    All,
    Bits(Vec<u64>),
    Ids(Vec<u64>),
}

impl Index {
    fn rows(&self, py: Python<'_>, filter: Option<&Bound<'_, PyAny>>) -> PyResult<Rows> {
        let Some(filter) = filter else { return Ok(Rows::All) };
        let array = py.import("numpy")?.call_method1("asarray", (filter,))?;
        if array.getattr("dtype")?.getattr("kind")?.extract::<String>()? == "b" {
            let words = helper(py, "bitmap", (array, self.inner.row_count()))?;
            return Ok(Rows::Bits(u64s(&words)?.as_slice()?.to_vec()));
        }
        Ok(Rows::Ids(ids_of(py, &array, "filter")?))
    }
}

#[pymethods]
impl Index {
    #[new]
    #[pyo3(signature = (codec, codes = None, metric = "cosine", ids = None))]
    fn new(
        py: Python<'_>,
        codec: Py<Codec>,
        codes: Option<Py<Codes>>,
        metric: &str,
        ids: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let metric = match metric {
            "inner_product" => Metric::InnerProduct,
            other => other.parse().map_err(PyValueError::new_err)?,
        };
        let index = Self { inner: vecodec::Index::empty(&codec.get().inner, metric), codec };
        match codes {
            Some(codes) => index.add(py, codes, ids)?,
            None if ids.is_some() => return Err(PyTypeError::new_err("pass codes for the ids")),
            None => {}
        }
        Ok(index)
    }

    /// Opens an index that `save` wrote.
    #[staticmethod]
    fn open(py: Python<'_>, codec: Py<Codec>, path: PathBuf) -> PyResult<Self> {
        let open = || vecodec::Index::open(&codec.get().inner, path);
        let inner = detached(py, open)?.or_raise()?;
        Ok(Self { inner, codec })
    }

    /// Appends rows, with ids of the caller's or with the numbers of the rows.
    #[pyo3(signature = (codes, ids = None))]
    fn add(
        &self,
        py: Python<'_>,
        codes: Py<Codes>,
        ids: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let codes = codes.get().inner.clone();
        match ids.map(|found| ids_of(py, found, "ids")).transpose()? {
            Some(ids) => detached(py, || self.inner.append_with_ids(codes, &ids))?,
            None => detached(py, || self.inner.append(codes))?,
        }
        .or_raise()
    }

    /// Removes rows by their ids.
    fn remove(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let ids = ids_of(py, ids, "ids")?;
        detached(py, || self.inner.remove(&ids))?.or_raise()
    }

    /// Frees what removed rows take.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.inner.compact())
    }

    /// The `k` best rows of each query: scores float32 and ids int64, both [queries, k], best first.
    #[pyo3(signature = (q, k = 10, filter = None, among = None, recall = None))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        k: usize,
        filter: Option<&Bound<'py, PyAny>>,
        among: Option<Vec<Bound<'py, PyAny>>>,
        recall: Option<f32>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let dim = self.codec.get().dim();
        let queries = float32_rows(q, "q", Some(dim))?;
        let (count, values) = (queries.shape()[0], queries.as_slice()?);
        if among.is_some() && (filter.is_some() || recall.is_some()) {
            let message = "among has no use with filter or recall: leave out one of them";
            return Err(PyTypeError::new_err(message));
        }
        let rows = self.rows(py, filter)?;
        let mut options = SearchOptions::default();
        match &rows {
            Rows::All => {}
            Rows::Bits(words) => options = options.with_filter(Filter::Rows(words)),
            Rows::Ids(ids) => options = options.with_filter(Filter::Ids(ids)),
        }
        if let Some(recall) = recall {
            options = options.with_mode(SearchMode::Approximate { recall });
        }
        let among = match among {
            None => None,
            Some(lists) if lists.len() == count => {
                let lists = lists.iter().map(|list| ids_of(py, list, "among"));
                Some(lists.collect::<PyResult<Vec<Vec<u64>>>>()?)
            }
            Some(lists) => {
                let message = format!(
                    "among has {} lists, and there are {count} queries: pass a list for each",
                    lists.len()
                );
                return Err(PyValueError::new_err(message));
            }
        };
        let search = |first: usize| {
            let end = (first + BLOCK_QUERIES).min(count);
            let values = &values[first * dim..end * dim];
            match &among {
                None => self.inner.search_with(values, k, options),
                Some(lists) => self.inner.search_among(values, &lists[first..end], k),
            }
        };
        let mut hits = detached(py, || search(0))?.or_raise()?;
        for first in (BLOCK_QUERIES..count).step_by(BLOCK_QUERIES) {
            py.check_signals()?;
            hits.append(detached(py, || search(first))?.or_raise()?);
        }
        let shape = [count, hits.k()];
        // No id of a row is so large. Where there is no row, FAISS has -1, too.
        let ids: Vec<i64> = hits.ids.iter().map(|id| *id as i64).collect();
        let scores = PyArray1::from_vec(py, hits.scores).reshape(shape)?;
        let ids = PyArray1::from_vec(py, ids).reshape(shape)?;
        Ok((scores.into_any(), ids.into_any()))
    }

    /// Decodes rows by their ids: float32 [ids, dim].
    fn decode<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let ids = ids_of(py, ids, "ids")?;
        let rows = detached(py, || self.inner.decode_rows(&ids))?.or_raise()?;
        let shape = [ids.len(), self.codec.get().dim()];
        Ok(PyArray1::from_vec(py, rows).reshape(shape)?.into_any())
    }

    /// Writes a folder.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        detached(py, || self.inner.save(path))?.or_raise()
    }

    #[getter]
    fn codec(&self, py: Python<'_>) -> Py<Codec> {
        self.codec.clone_ref(py)
    }

    #[getter]
    fn metric(&self) -> &'static str {
        self.inner.metric().as_str()
    }

    /// Rows that were added, removed ones included: what a filter of bools has a value for.
    #[getter]
    fn row_count(&self) -> u64 {
        self.inner.row_count()
    }

    /// Rows that a search may find, as FAISS calls them.
    #[getter]
    fn ntotal(&self) -> usize {
        self.inner.len()
    }

    /// Bytes of memory, on the host and on the GPU.
    #[getter]
    fn nbytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    fn __repr__(&self) -> String {
        let (rows, metric) = (self.inner.len(), self.inner.metric());
        format!("Index(rows={rows}, metric='{metric}', nbytes={})", self.inner.bytes())
    }
}
