//! The function `fit`, and models of the caller's weights.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use vecodec::{
    Activation, CancelToken, Coding, FitOptions, FitReport, FitStage, ModelConfig, Objective,
    Regions, RowNorm, Weights,
};

use crate::arrays::float32_rows;
use crate::error::OrRaise;
use crate::model::Model;
use crate::process::cancellable;
use crate::results::result;

/// What the caller says of the model.
#[derive(FromPyObject)]
pub(crate) struct Wanted<'py> {
    #[pyo3(item)]
    bytes: Option<usize>,
    #[pyo3(item)]
    latent: Option<usize>,
    #[pyo3(item)]
    coding: String,
    #[pyo3(item)]
    states: Option<usize>,
    #[pyo3(item)]
    regions: Bound<'py, PyAny>,
    #[pyo3(item)]
    objective: String,
    #[pyo3(item)]
    row_norm: String,
}

impl Wanted<'_> {
    fn config(&self, dim: usize) -> PyResult<ModelConfig> {
        let (bytes, latent) = (self.bytes, self.latent);
        match (bytes, latent) {
            (Some(bytes), None) => {
                let config = ModelConfig::bits(dim, bytes).with_coding(self.coding()?);
                let config = config.with_regions(self.regions()?).with_row_norm(self.row_norm()?);
                Ok(config.with_objective(self.objective()?).into())
            }
            (None, Some(latent)) => Ok(ModelConfig::int8(dim, latent).into()),
            _ => {
                let message = "pass bytes, as bytes=64, or latent for 8-bit codes, and not both";
                Err(PyTypeError::new_err(message))
            }
        }
    }

    fn coding(&self) -> PyResult<Coding> {
        match (self.coding.as_str(), self.states) {
            ("trellis", None) => Ok(Coding::default()),
            ("trellis", Some(states)) => Ok(Coding::Trellis { states }),
            ("scalar", None) => Ok(Coding::Scalar),
            ("scalar", Some(_)) => Err(PyTypeError::new_err(
                "states has no use with coding=\"scalar\": leave out one of them",
            )),
            (other, _) => Err(unknown("coding", other, "\"trellis\" or \"scalar\"")),
        }
    }

    fn regions(&self) -> PyResult<Regions> {
        if let Ok(count) = self.regions.extract::<usize>() {
            return Ok(Regions::Count(count));
        }
        match self.regions.extract::<String>().ok().as_deref() {
            Some("auto") => Ok(Regions::Auto),
            _ => {
                let found = self.regions.repr()?.to_string();
                Err(PyValueError::new_err(format!("regions is {found}: pass \"auto\" or a number")))
            }
        }
    }

    fn objective(&self) -> PyResult<Objective> {
        match self.objective.as_str() {
            "search" => Ok(Objective::Search),
            "reconstruction" => Ok(Objective::Reconstruction),
            other => Err(unknown("objective", other, "\"search\" or \"reconstruction\"")),
        }
    }

    fn row_norm(&self) -> PyResult<RowNorm> {
        match self.row_norm.as_str() {
            "auto" => Ok(RowNorm::Auto),
            "omit" => Ok(RowNorm::Omit),
            "store" => Ok(RowNorm::Store),
            other => Err(unknown("row_norm", other, "\"auto\", \"omit\" or \"store\"")),
        }
    }
}

fn unknown(what: &str, found: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!("{what} is {found:?}: pass {known}"))
}

/// What a model is fitted to.
enum Source<'py> {
    Rows(PyReadonlyArray2<'py, f32>),
    File(PathBuf),
}

/// The same, as the library takes it.
enum Given<'a> {
    Rows(&'a [f32]),
    File(&'a Path),
}

impl<'py> Source<'py> {
    fn new(x: &Bound<'py, PyAny>) -> PyResult<Self> {
        match x.extract::<PathBuf>() {
            Ok(path) => Ok(Self::File(path)),
            Err(_) => Ok(Self::Rows(float32_rows(x, "x", None)?)),
        }
    }

    fn dim(&self) -> PyResult<usize> {
        match self {
            Self::Rows(rows) => Ok(rows.shape()[1]),
            Self::File(path) => Ok(vecodec::data::DataReader::open(path, None).or_raise()?.dim()),
        }
    }
}

/// Fits a model. `progress` is called after each stage with its name, its error and its seconds.
#[pyfunction]
#[pyo3(signature = (x, wanted, queries, seed, warm_start, sample, progress))]
#[expect(clippy::too_many_arguments, reason = "vecodec.fit passes all of its own")]
pub(crate) fn fit<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    wanted: Wanted<'py>,
    queries: Option<&Bound<'py, PyAny>>,
    seed: u64,
    warm_start: Option<Py<Model>>,
    sample: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Model> {
    let source = Source::new(x)?;
    let dim = source.dim()?;
    let config = wanted.config(dim)?;
    let queries = queries.map(|queries| float32_rows(queries, "queries", Some(dim))).transpose()?;
    let queries = queries.as_ref().map(|queries| queries.as_slice()).transpose()?;
    let old = warm_start.as_ref().map(|old| &old.get().inner);
    let cancel = CancelToken::new();
    let raised = Mutex::new(None);
    // Without objects of Python, so that another thread can fit.
    let given = match &source {
        Source::Rows(_) if sample.is_some() => {
            let message = "sample is for files: pass a path, or fewer rows";
            return Err(PyTypeError::new_err(message));
        }
        Source::Rows(rows) => Given::Rows(rows.as_slice()?),
        Source::File(path) => Given::File(path),
    };
    let call = |stage: &FitStage| {
        let Some(progress) = &progress else { return };
        let args = (stage.name.as_str(), stage.relative_mse, stage.seconds);
        let called = Python::attach(|py| progress.call1(py, args).map(|_| ()));
        if let Err(error) = called {
            cancel.cancel();
            raised.lock().expect("nothing panics with it").get_or_insert(error);
        }
    };
    let work = || {
        let mut options = FitOptions::default().with_seed(seed).with_cancel(cancel.clone());
        options = options.with_progress(call);
        if let Some(queries) = queries {
            options = options.with_queries(queries);
        }
        if let Some(old) = old {
            options = options.with_warm_start(old);
        }
        if let Some(rows) = sample {
            options = options.with_sample(rows);
        }
        match given {
            Given::Rows(values) => vecodec::Model::fit_with(values, config, options),
            Given::File(path) => vecodec::Model::fit_file(path, config, options),
        }
    };
    let result = cancellable(py, &cancel, work)?;
    if let Some(error) = raised.into_inner().expect("nothing panics with it") {
        return Err(error);
    }
    let (model, report) = result.or_raise()?;
    let report = report_object(py, &report)?;
    Ok(Model::new(model, Some(report.unbind())))
}

fn report_object<'py>(py: Python<'py>, report: &FitReport) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    let warnings: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    let stages: Vec<(&str, f64, f64)> = report
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.relative_mse, stage.seconds))
        .collect();
    fields.set_item("rows", report.rows)?;
    fields.set_item("rows_used", report.rows_used)?;
    fields.set_item("stages", stages)?;
    fields.set_item("warnings", warnings)?;
    result(py, "FitReport", &fields)
}

/// An 8-bit model of weights [latent, dim] and [dim, latent], and their biases.
#[pyfunction]
#[pyo3(signature = (encoder, decoder, encoder_bias, decoder_bias, activation, normalized_latent))]
pub(crate) fn from_weights(
    encoder: PyReadonlyArray2<'_, f32>,
    decoder: PyReadonlyArray2<'_, f32>,
    encoder_bias: Option<Vec<f32>>,
    decoder_bias: Option<Vec<f32>>,
    activation: &str,
    normalized_latent: bool,
) -> PyResult<Model> {
    let (latent, dim) = (encoder.shape()[0], encoder.shape()[1]);
    if decoder.shape() != [dim, latent] {
        let found = decoder.shape();
        let message = format!(
            "decoder has shape {found:?}, and encoder [{latent}, {dim}]: pass a decoder of [{dim}, {latent}]"
        );
        return Err(PyValueError::new_err(message));
    }
    let activation = match activation {
        "identity" => Activation::Identity,
        "relu" => Activation::Relu,
        other => return Err(unknown("activation", other, "\"identity\" or \"relu\"")),
    };
    let config = ModelConfig::int8(dim, latent).with_activation(activation);
    let config = config.with_normalized_latent(normalized_latent);
    let weights = Weights {
        encoder: encoder.as_slice()?.to_vec(),
        encoder_bias,
        decoder: decoder.as_slice()?.to_vec(),
        decoder_bias,
    };
    Ok(Model::new(vecodec::Model::from_weights(config, weights).or_raise()?, None))
}
