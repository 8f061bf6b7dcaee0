//! SQL over embeddings and their codes, for DataFusion.
//!
//! | function | is |
//! |---|---|
//! | `vecodec_encode(embedding, 'model')` | the codes of embeddings |
//! | `vecodec_decode(codes)` | the embeddings of codes: lists of `dim` `Float32` |
//! | `vecodec_similarity(codes, query, metric)` | the score of each row: `'cosine'`, if nothing is said, or `'inner-product'` |
//! | `vecodec_distance(codes, query)` | the squared Euclidean distance of each row |
//! | `vecodec_error(embedding, codes)` | the squared error of each row, relative to its squared norm |
//!
//! Scores are those of an [`Index`](vecodec::Index) with the same metric: rows are not decoded. `ORDER BY
//! vecodec_similarity(..) DESC LIMIT k`, and `vecodec_distance` ascending, are searches: a plan shows them as
//! `CodesTopKExec`.
//!
//! A column of codes knows its model by the fingerprint in its field (see [`vecodec_arrow`]), in Parquet files, too.
//! [`Models`] has the models that functions find by name or by fingerprint.
//!
//! With the feature `cluster`, the same functions run on several machines: see the module of that name.
//!
//! ```
//! use datafusion::execution::session_state::SessionStateBuilder;
//! use datafusion::prelude::SessionContext;
//! use vecodec::{Engine, Model, ModelConfig};
//! use vecodec_datafusion::{Models, with_vecodec};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let models = Models::new(Engine::Cpu);
//! models.register("minilm", Model::random(ModelConfig::int8(4, 2), 1)?)?;
//! let state = SessionStateBuilder::new().with_default_features();
//! let ctx = SessionContext::new_with_state(with_vecodec(state, &models).build());
//!
//! let sql = "SELECT vecodec_encode(embedding, 'minilm') AS codes
//!            FROM (VALUES ([0.1, 0.2, 0.3, 0.4]), ([0.4, 0.3, 0.2, 0.1])) AS t(embedding)";
//! assert_eq!(ctx.sql(sql).await?.count().await?, 2);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "cluster")]
pub mod cluster;
mod error;
mod functions;
mod link;
mod models;
mod query;
mod scores;
mod top_k;

pub use link::LinkModels;
pub use models::Models;
pub use top_k::{CodesTopKExec, CodesTopKRule};

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::ScalarUDF;

/// The functions, which find their models in `models`.
#[must_use]
pub fn functions(models: &Models) -> Vec<Arc<ScalarUDF>> {
    functions::all(models)
}

/// Adds the functions and their rules to a session: [`CodesTopKRule`] makes searches of sorts, and [`LinkModels`] makes
/// plans that can travel. It also sets
/// `datafusion.execution.parquet.skip_metadata` to false: columns of codes in Parquet say there which model is theirs.
pub fn with_vecodec(mut state: SessionStateBuilder, models: &Models) -> SessionStateBuilder {
    let config = state.config().get_or_insert_default();
    config.options_mut().execution.parquet.skip_metadata = false;
    state.scalar_functions().get_or_insert_default().extend(functions(models));
    // Before the rules that let a scan compute scores itself.
    let rules = &mut state.physical_optimizers().get_or_insert_default().rules;
    rules.insert(0, Arc::new(CodesTopKRule::new(models)));
    state.with_optimizer_rule(Arc::new(LinkModels))
}
