//! Errors of codecs and columns as DataFusion's.

use datafusion::common::DataFusionError;

/// An error that keeps its source.
pub(crate) fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// An error of the query.
pub(crate) fn plan(message: impl Into<String>) -> DataFusionError {
    DataFusionError::Plan(message.into())
}
